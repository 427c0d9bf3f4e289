//! Files of fake machines, read as Nix reads them.

use expect_test::{Expect, expect};

use super::*;

#[expect(clippy::needless_pass_by_value, reason = "expect! makes a value")]
fn check(files: &[(&str, &str)], env: &[(&str, &str)], expect: Expect) {
    let dir = tempfile::tempdir().unwrap();
    let mut host = Host::current().unwrap();
    host.root = Utf8PathBuf::from_path_buf(dir.path().to_owned()).unwrap();
    host.env.clear();
    host.env.insert("HOME".into(), host.path("/home/u").into());
    host.env.extend(env.iter().map(|(name, value)| (name.into(), value.into())));
    for (file, text) in files {
        let file = host.path(file);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, text).unwrap();
    }
    let conf = Conf::system(&host, SYSTEM).and(Conf::user(&host));
    let mut res = String::new();
    for it in &conf.assignments {
        res += &format!("{} {} = {}\n", it.place, it.name, it.words.join(" "));
    }
    for it in &conf.problems {
        res += &format!("{} {}\n", it.place, it.what);
    }
    for (lost, winner) in conf.overridden() {
        res += &format!("{} loses to {}\n", lost.place, winner.place);
    }
    res += &format!("substituters: {}\n", conf.words("substituters", &["default"]).join(" "));
    expect.assert_eq(&res);
}

#[test]
fn determinate_includes_the_users_file_and_a_later_line_wins() {
    let files = [
        (SYSTEM, "extra-substituters = flakehub\n!include nix.custom.conf\ncores = 4\n"),
        ("/etc/nix/nix.custom.conf", "cores = 8\nsubstituters = mine\nextra-substituters = more\n"),
        ("/home/u/.config/nix/nix.conf", "extra-substituters = own # why\n"),
    ];
    check(
        &files,
        &[("NIX_CONFIG", "cores = 2\nwarn-dirty = false")],
        expect![[r"
        /etc/nix/nix.conf:1 extra-substituters = flakehub
        /etc/nix/nix.custom.conf:1 cores = 8
        /etc/nix/nix.custom.conf:2 substituters = mine
        /etc/nix/nix.custom.conf:3 extra-substituters = more
        /etc/nix/nix.conf:3 cores = 4
        ~/.config/nix/nix.conf:1 extra-substituters = own
        NIX_CONFIG:1 cores = 2
        NIX_CONFIG:2 warn-dirty = false
        /etc/nix/nix.conf:1 loses to /etc/nix/nix.custom.conf:2
        /etc/nix/nix.custom.conf:1 loses to NIX_CONFIG:1
        /etc/nix/nix.conf:3 loses to NIX_CONFIG:1
        substituters: mine more own
    "]],
    );
}

#[test]
fn what_nix_refuses_is_named_with_its_line() {
    let files = [
        (SYSTEM, "cores=4\ninclude gone.conf\n!include gone.conf\ninclude /etc/nix/again.conf\n"),
        ("/etc/nix/again.conf", "include again.conf\n"),
    ];
    check(
        &files,
        &[],
        expect![[r#"
            /etc/nix/nix.conf:1 is no setting: `cores=4 …`
            /etc/nix/nix.conf:2 includes `/etc/nix/gone.conf`, which is not there
            /etc/nix/again.conf:0 files include each other without end
            substituters: default
        "#]],
    );
}

#[test]
fn an_old_name_and_one_that_begins_with_extra() {
    let files = [(SYSTEM, "binary-caches = a\nextra-platforms = x\nextra-extra-platforms = y\n")];
    check(
        &files,
        &[],
        expect![[r"
        /etc/nix/nix.conf:1 binary-caches = a
        /etc/nix/nix.conf:2 extra-platforms = x
        /etc/nix/nix.conf:3 extra-extra-platforms = y
        substituters: a
    "]],
    );
    assert_eq!(plain_name("extra-platforms"), ("extra-platforms", false));
    assert_eq!(plain_name("extra-trusted-users"), ("trusted-users", true));
}
