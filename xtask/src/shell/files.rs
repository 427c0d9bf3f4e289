//! The start-up files of an interactive dev shell, for bash, zsh and fish: the user's own first, then what the dev
//! shell adds, then a marked prompt.

use camino::{Utf8Path, Utf8PathBuf};

use crate::plan::quoted;

/// The files of one dev shell, by name, to be written into its directory.
#[must_use]
pub fn files(dir: &Utf8Path, name: &str, bash: &str, hook: &str) -> Vec<(Utf8PathBuf, String)> {
    let mark = format!("({name}) ");
    vec![
        ("env.bash".into(), format!("{bash}{}\n", hook_line(hook))),
        ("rc.bash".into(), bash_rc(dir, &mark)),
        ("zsh/.zshenv".into(), zsh_env()),
        ("zsh/.zshrc".into(), zsh_rc(&mark)),
        ("init.fish".into(), fish_init(&mark)),
    ]
}

fn hook_line(hook: &str) -> String {
    if hook.trim().is_empty() { String::new() } else { format!("eval {}", quoted(hook)) }
}

/// What a user's own start-up files put before the dev shell's directories moves behind them again.
const PATH_FIRST: &str =
    r#"case ":$PATH:" in ":$XTASK_SHELL_PATH:"*) ;; *) PATH="$XTASK_SHELL_PATH:$PATH" ;; esac"#;

fn bash_rc(dir: &Utf8Path, mark: &str) -> String {
    let env = quoted(dir.join("env.bash").as_str());
    let mark = quoted(mark);
    format!(
        "if [ -f ~/.bashrc ]; then . ~/.bashrc; fi\n\
         {PATH_FIRST}\n\
         . {env}\n\
         PS1={mark}\"${{PS1-}}\"\n"
    )
}

/// zsh reads its files from `ZDOTDIR`, which is ours until the user's own are read.
fn zsh_env() -> String {
    "if [ -n \"$XTASK_ZDOTDIR\" ]; then ZDOTDIR=$XTASK_ZDOTDIR; else unset ZDOTDIR; fi\n\
     xtask_zdotdir=${${(%):-%x}:h}\n\
     if [ -f \"${ZDOTDIR:-$HOME}/.zshenv\" ]; then . \"${ZDOTDIR:-$HOME}/.zshenv\"; fi\n\
     XTASK_ZDOTDIR=${ZDOTDIR-}\n\
     ZDOTDIR=$xtask_zdotdir\n\
     unset xtask_zdotdir\n"
        .to_owned()
}

fn zsh_rc(mark: &str) -> String {
    let mark = quoted(&mark.replace('%', "%%"));
    format!(
        "if [ -n \"$XTASK_ZDOTDIR\" ]; then ZDOTDIR=$XTASK_ZDOTDIR; else unset ZDOTDIR; fi\n\
         unset XTASK_ZDOTDIR\n\
         if [ -f \"${{ZDOTDIR:-$HOME}}/.zshrc\" ]; then . \"${{ZDOTDIR:-$HOME}}/.zshrc\"; fi\n\
         {PATH_FIRST}\n\
         PROMPT={mark}\"$PROMPT\"\n"
    )
}

fn fish_init(mark: &str) -> String {
    let mark = mark.replace('\\', "\\\\").replace('\'', "\\'");
    format!(
        "set -gx PATH (string split : -- $XTASK_SHELL_PATH) $PATH\n\
         functions --copy fish_prompt xtask_user_prompt\n\
         function fish_prompt\n\
         \x20   echo -n '{mark}'\n\
         \x20   xtask_user_prompt\n\
         end\n"
    )
}

/// How a shell is started so that it reads its file.
#[must_use]
pub fn interactive(shell: &str, dir: &Utf8Path) -> Vec<String> {
    let file = |name: &str| dir.join(name).into_string();
    let args = match kind(shell) {
        "bash" => vec!["--rcfile".to_owned(), file("rc.bash"), "-i".to_owned()],
        "zsh" => vec!["-i".to_owned()],
        "fish" => vec![
            "--interactive".to_owned(),
            "--init-command".to_owned(),
            format!("source {}", quoted(&file("init.fish"))),
        ],
        _ => Vec::new(),
    };
    std::iter::once(shell.to_owned()).chain(args).collect()
}

/// The name by which shells are told apart.
#[must_use]
pub fn kind(shell: &str) -> &str {
    Utf8Path::new(shell).file_name().unwrap_or(shell)
}
