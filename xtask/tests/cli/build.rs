//! `build`

use expect_test::expect;

use crate::support::Sandbox;

#[test]
fn a_package_and_what_it_needs() {
    let sandbox = Sandbox::new()
        .packages(&[("default", "echo ${lib} > $out"), ("lib", "echo working; echo lib > $out")]);
    let run = sandbox.run("build");
    expect![[r#"
        exit 0
        --- stdout
        $STORE/nix/store/HASH-default
        --- stderr
        name     path    size   time  status
        default  result  160 B  -     was there
    "#]]
    .assert_eq(&run.text());
    let link = sandbox.root().join("result");
    assert!(std::fs::read_to_string(&link).unwrap().contains("-lib"), "{link}");
}
