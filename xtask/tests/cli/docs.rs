//! `docs`: what is generated is what is checked in, and stale files are told.

use crate::support::Sandbox;

/// Its companion is compiled by the real cargo.
fn sandbox() -> Sandbox {
    Sandbox::new().rust()
}

#[test]
fn what_is_checked_in_is_up_to_date() {
    let docs = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs");
    let update = std::env::var_os("UPDATE_EXPECT").is_some();
    let verb = if update { "docs" } else { "docs --check" };
    sandbox().run(&format!("{verb} --out {docs}")).good();
}

/// They are made by hand, by `docs/pictures/make`: what can be held is that they are there, small, and nobody's own.
#[test]
fn pictures_of_the_readme_are_there_and_say_what_they_show() {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
    let readme = std::fs::read_to_string(format!("{root}/README.md")).unwrap();
    let names = readme.split("](docs/pictures/").skip(1).map(|it| it.split(')').next().unwrap());
    let names: Vec<&str> = names.collect();
    assert!(names.len() >= 4, "{names:?}");
    for name in names {
        let text = std::fs::read_to_string(format!("{root}/docs/pictures/{name}")).unwrap();
        assert!(text.len() <= 40_000, "{name}: {}", text.len());
        for part in ["<title id=", "<desc id=", "role=\"img\"", "prefers-color-scheme:dark", "cargo xtask"] {
            assert!(text.contains(part), "{name}: {part}");
        }
        assert!(!text.contains("/root/") && !text.contains("/work/"), "{name}");
    }
}

/// The page of the modules' options needs a Nix, all others do not.
#[test]
fn without_a_nix_the_options_are_left_alone_and_that_is_said() {
    let sandbox = sandbox().env("XTASK_PRIVATE_NIX", "off");
    let run = sandbox.run("docs").good().says("not looked at: aleph-options.md, which needs a Nix: ");
    assert!(!run.stderr.contains("wrote docs/aleph-options.md"), "{}", run.text());
    let json = sandbox.run("docs --check --json").good().json();
    assert_eq!(json["unchecked"], serde_json::json!(["aleph-options.md"]));
    sandbox.run("docs --check --nix /no/such/nix").bad().says("/no/such/nix");
}

#[test]
fn stale_files_are_told_and_repaired() {
    let sandbox = sandbox();
    sandbox.run("docs --check").bad().says("out of date; run `cargo xtask docs`");
    assert!(!sandbox.root().join("docs").exists());
    sandbox.run("docs --dry-run").good().says("would write docs/reference.md");
    assert!(!sandbox.root().join("docs").exists());
    sandbox.run("docs").good().says("wrote docs/man/cargo-xtask-build.1");
    assert!(sandbox.read("docs/aleph-options.md").contains("\n## `services.elodin-db`\n"));
    sandbox.run("docs --check").good().says("all up to date");
    // Every verb that help shows has its section and its page.
    let reference = sandbox.read("docs/reference.md");
    let help = sandbox.run("--help").good().stdout;
    let verbs = help.split("Commands:\n").nth(1).unwrap().split("\n\n").next().unwrap();
    for verb in verbs.lines().filter_map(|it| it.strip_prefix("  ")).filter(|it| !it.starts_with(' ')) {
        let verb = verb.split(' ').next().unwrap();
        if verb != "help" {
            assert!(reference.contains(&format!("\n## `{verb}`\n")), "{verb}");
            let page = sandbox.read(&format!("docs/man/cargo-xtask-{verb}.1"));
            let dashed = verb.replace('-', "\\-");
            for part in [
                format!(".SH NAME\ncargo\\-xtask\\-{dashed} \\- "),
                format!(".SH SYNOPSIS\ncargo xtask {dashed} "),
            ] {
                assert!(page.contains(&part), "{part}:\n{page}");
            }
        }
    }
    std::fs::write(sandbox.root().join("docs/reference.md"), reference.replace("## `run`", "## `ran`"))
        .unwrap();
    let run = sandbox.run("docs --check").bad();
    assert!(run.stderr.contains("-## `ran`") && run.stderr.contains("+## `run`"), "{}", run.text());
    let json = sandbox.run("docs --check --json").bad().json();
    assert_eq!(json["changed"].as_array().unwrap().len(), 1);
}
