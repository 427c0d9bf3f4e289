//! `image build` and `image load`: only what is sound gets out.

use crate::support::Sandbox;
use crate::support::image::{
    HERE, HERE_OCI, OTHER, OTHER_OCI, docker, gzip, layer, oci, program, sha256, tar,
};

/// A sound image with two layers.
fn sound() -> Vec<(String, Vec<u8>)> {
    let layers = [layer("bin/tool", &program(HERE)), layer("etc/text", b"hello")];
    docker("linux", HERE_OCI, "elodin/tool:1.2", &layers)
}

#[test]
fn archives_of_all_kinds() {
    let layers = [layer("bin/tool", &program(HERE)), layer("etc/text", b"hello")];
    let sandbox = Sandbox::new().files(&[
        ("image-plain", tar(&sound())),
        ("image-gzip", gzip(&tar(&sound()))),
        ("image-oci", tar(&oci(HERE_OCI, "1.2", &layers))),
    ]);
    for (name, format, tag) in [
        ("plain", "docker-archive", "elodin/tool:1.2"),
        ("gzip", "docker-archive", "elodin/tool:1.2"),
        ("oci", "oci-archive", "1.2"),
    ] {
        let json = sandbox.run(&format!("image build {name} --json")).good().json();
        assert_eq!(json["name"], format!("image-{name}"));
        assert_eq!((&json["format"], &json["tags"][0]), (&format.into(), &tag.into()));
        assert_eq!(json["architecture"], HERE);
        let digests: Vec<String> = layers.iter().map(|it| format!("sha256:{}", sha256(it))).collect();
        assert_eq!(json["layers"], serde_json::json!(digests));
        let (_, config) = sound().into_iter().find(|it| it.0.ends_with(".json")).unwrap();
        assert_eq!(json["digest"], format!("sha256:{}", sha256(&config)));
        let linked = std::fs::read(sandbox.root().join(format!("result-image-{name}"))).unwrap();
        assert_eq!(json["size"], linked.len());
    }
    let run = sandbox.run("image build plain --no-link").good();
    let lines: Vec<&str> = run.stderr.lines().collect();
    assert!(lines[0].starts_with("name         architecture  size"), "{}", run.text());
    assert!(lines[1].starts_with(&format!("image-plain  {HERE}")), "{}", run.text());
    assert!(run.stdout.starts_with("$STORE/nix/store/") && run.stdout.ends_with("-image-plain\n"));
}

/// `elodin-db` is a package and an image; the image is meant.
#[test]
fn a_name_means_the_image_before_the_package() {
    let sandbox = Sandbox::new().files(&[
        ("db", b"no image".to_vec()),
        ("image-db", tar(&sound())),
        ("image", tar(&sound())),
    ]);
    for (name, package) in
        [("db", "image-db"), ("image-db", "image-db"), (".#db", "image-db"), ("image", "image")]
    {
        let json = sandbox.run(&format!("image build {name} --json --no-link")).good().json();
        assert_eq!(json["name"], package, "{name}");
    }
    sandbox.run("image build dv").bad().says("there is no image `dv` for $SYSTEM; did you mean `db`?");
    sandbox.run("image build something").bad().says("; there are: db");
    sandbox.run(&format!("image build db --arch {OTHER}")).bad().says(&format!("try `--arch {HERE}`"));
    sandbox.run("image build db --arch mips").wrong_usage().says("write x86_64 or aarch64");
    let run = sandbox.run("image build -n db").good();
    assert!(run.stdout.contains("#.packages.$SYSTEM.image-db "), "{}", run.text());
}

#[test]
fn what_is_for_something_else_is_refused() {
    let layers =
        [layer("a", b""), layer("nix/store/x/bin/tool", &program(OTHER)), layer("b", &program(HERE))];
    let sandbox = Sandbox::new().files(&[
        ("arch", tar(&docker("linux", OTHER_OCI, "a:1", &[layer("a", b"")]))),
        ("os", tar(&docker("windows", HERE_OCI, "a:1", &[layer("a", b"")]))),
        ("elf", tar(&docker("linux", HERE_OCI, "a:1", &layers))),
        ("oci", tar(&oci(HERE_OCI, "1", &layers))),
    ]);
    sandbox
        .run("image build arch")
        .bad()
        .says(&format!("it is an image for {OTHER_OCI}, and one for {HERE_OCI} ({HERE}) is wanted"))
        .says(&format!("`--arch {OTHER}`"));
    sandbox.run("image build os").bad().says("it is an image for `windows`, and containers run on Linux");
    for name in ["elf", "oci"] {
        let run = sandbox.run(&format!("image build {name}")).bad();
        let run = run.says(&format!(
            "it is an image for {HERE} with programs that cannot run there\n  layer 2 of 3 (`"
        ));
        drop(
            run.says(&format!("`nix/store/x/bin/tool` is for {OTHER}\n"))
                .says("from the packages of $SYSTEM, not"),
        );
        assert!(!sandbox.root().join(format!("result-{name}")).exists());
    }
}

#[test]
fn what_is_damaged_is_refused() {
    let whole = tar(&sound());
    let mut flipped = whole.clone();
    let program_at = whole.windows(4).position(|it| it == b"\x7fELF").unwrap();
    flipped[program_at + 30] ^= 1;
    let mut renamed = sound();
    renamed.iter_mut().find(|it| it.0.ends_with(".json")).unwrap().1.push(b'\n');
    let missing = |name: &str| tar(&sound().into_iter().filter(|it| !it.0.ends_with(name)).collect());
    let compressed = gzip(&whole);
    let mut zipped = compressed.clone();
    let end = zipped.len() - 6;
    zipped[end] ^= 1;
    for (name, content, says) in [
        ("flipped", flipped, "layer 1 of 2 (`"),
        ("renamed", tar(&renamed), "it is damaged: its configuration `"),
        ("short", whole[..700].to_vec(), "it is damaged at `"),
        ("cut", compressed[..compressed.len() / 2].to_vec(), "it is damaged"),
        ("checksum", zipped, "it is damaged"),
        ("layerless", missing("layer.tar"), "is not in the archive"),
        ("manifestless", missing("manifest.json"), "neither manifest.json (Docker) nor index.json (OCI)"),
    ] {
        let sandbox = Sandbox::new().files(&[(name, content)]);
        let run = sandbox.run(&format!("image build {name}")).bad().says(says);
        assert!(
            run.stderr.contains(&format!("error: `{name}` cannot be used as an image ($STORE/nix/store/")),
            "{}",
            run.text()
        );
    }
}

#[test]
fn what_is_no_image_is_refused() {
    let sandbox = Sandbox::new().packages(&[
        ("text", "echo just a text > $out"),
        ("empty", ": > $out"),
        ("script", "echo '#!/bin/python' > $out"),
        ("zstd", "printf '\\050\\265\\057\\375 and more' > $out"),
        ("broken", "exit 3"),
    ]);
    for (name, says) in [
        ("text", "): it is not the archive of an image\n"),
        ("empty", "there is nothing in it"),
        (
            "script",
            "it is a script, perhaps of `streamLayeredImage`; make an archive, by `buildLayeredImage`",
        ),
        ("zstd", "it is compressed by something else than gzip"),
        ("broken", "its builder ended with exit code 3"),
    ] {
        sandbox.run(&format!("image build {name}")).bad().says(says);
        assert!(!sandbox.root().join(format!("result-{name}")).exists());
    }
}

const ENGINE: &str = "#!/bin/sh\necho \"$@\" > \"${0%/*}/../called\"\n";

#[test]
fn an_image_is_loaded_by_the_engine_that_is_there() {
    let sandbox = Sandbox::new().files(&[("image-tool", tar(&sound()))]).only_programs(&["git"]);
    let run = sandbox.run("image load tool").bad();
    let error = "there is no container engine: neither docker nor podman is on PATH; install one";
    drop(run.says(error).says("sudo apt-get install podman"));

    sandbox.program("bin/podman", &format!("{ENGINE}echo 'Loaded image: localhost/elodin/tool:1.2'"));
    let run = sandbox.run("image load tool").good();
    assert_eq!(run.stdout, "localhost/elodin/tool:1.2\n");
    sandbox.program("bin/docker", &format!("{ENGINE}echo 'Loaded image: elodin/tool:1.2'"));
    let json = sandbox.run("image load tool --json").good().json();
    assert_eq!((&json["engine"], &json["loaded"][0]), (&"docker".into(), &"elodin/tool:1.2".into()));
    let called = std::fs::read_to_string(sandbox.temp().join("called")).unwrap();
    assert_eq!(sandbox.plain(&called), format!("load --input {}\n", json["path"].as_str().unwrap()));
    let json = sandbox.run("image load tool --json --engine podman").good().json();
    assert_eq!(json["engine"], "podman");
    sandbox.run("image load tool --engine nerdctl").bad().says("there is no such command on PATH");

    let run = sandbox.run("image load -n tool").good();
    let last = run.stdout.lines().last().unwrap();
    assert!(last.starts_with("docker load --input $STORE/nix/store/"), "{}", run.text());
}

#[test]
fn an_engine_that_does_not_run_is_told() {
    let sandbox = Sandbox::new().files(&[("image-tool", tar(&sound()))]).only_programs(&["git"]);
    let says =
        "Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is the docker daemon running?";
    sandbox.program("bin/docker", &format!("#!/bin/sh\necho '{says}' >&2; exit 1\n"));
    drop(
        sandbox
            .run("image load tool")
            .bad()
            .says(says)
            .says("hint: docker is installed and does not run: start it"),
    );
    sandbox
        .program("bin/docker", "#!/bin/sh\necho 'permission denied while trying to connect' >&2; exit 1\n");
    sandbox.run("image load tool").bad().says("or use `--engine podman`");
    sandbox.program("bin/docker", "#!/bin/sh\nexit 9\n");
    sandbox.run("image load tool").bad().says("it ended with exit code 9 and said nothing");
}
