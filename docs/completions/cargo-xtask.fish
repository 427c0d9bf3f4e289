# Completes `cargo xtask …`, `cargo dev …` and `cargo aleph …`, with the names of this workspace.
# In ~/.config/fish/config.fish: source WHERE-THIS-IS/docs/completions/cargo-xtask.fish

function __cargo_xtask_program
    set -l dir $PWD
    while test -n "$dir"
        set -l target $dir/target
        set -q CARGO_TARGET_DIR; and set target $CARGO_TARGET_DIR
        if test -f $dir/xtask.toml -a -x $target/debug/xtask
            echo $target/debug/xtask
            return
        end
        set dir (string replace -r '/[^/]*$' '' -- $dir)
    end
    return 1
end

function __cargo_xtask_words
    set -l words (commandline -opc)
    test (count $words) -ge 2; or return 1
    contains -- $words[2] xtask dev aleph
end

function __cargo_xtask_complete
    set -l program (__cargo_xtask_program); or return
    set -l words (commandline -opc)
    set -l before $words[3..-1]
    switch $words[2]
        case dev
            set before shell $before
        case aleph
            set before build-aleph $before
    end
    set -l typed (commandline -ct)
    set -l found ($program complete -- $before "$typed" 2>/dev/null)
    if test (count $found) -gt 0
        printf '%s\n' $found
    else
        __fish_complete_path "$typed"
    end
end

complete -c cargo -n __cargo_xtask_words -f -a '(__cargo_xtask_complete)'
