//! A private Nix that is a shell script: for what the real one does seldom, or never should.

use std::fs;
use std::os::unix::fs::symlink;

use camino::Utf8PathBuf;

use super::{Sandbox, cache, suite, system};

pub(crate) const DRV: &str = "/nix/store/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa-default.drv";
pub(crate) const OUT: &str = "/nix/store/bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb-default";

impl Sandbox {
    /// In place of Nix: a script. It finds the real one in `$nix`, and may write down what it likes in `$temp`.
    pub(crate) fn nix_script(self, script: &str) -> Sandbox {
        let real = format!("{}/elodin-xtask/nix/{}", cache(), suite());
        let dir = format!("{}/cache/elodin-xtask/nix/{}", self.temp(), suite());
        fs::create_dir_all(&dir).unwrap();
        for name in ["conf", "root"] {
            symlink(format!("{real}/{name}"), format!("{dir}/{name}")).unwrap();
        }
        symlink(format!("{real}-store"), format!("{dir}-store")).unwrap();
        let receipt = fs::read_to_string(format!("{real}/version.json")).unwrap();
        fs::write(format!("{dir}/version.json"), receipt.replace(&real, &dir)).unwrap();
        let name = format!("cache/elodin-xtask/nix/{}/bin/nix", suite());
        let head = format!("#!/bin/sh\nnix={real}/bin/nix temp={}\n", self.temp());
        self.program(&name, &format!("{head}{script}\n"));
        let cache = self.temp().join("cache");
        self.env("XDG_CACHE_HOME", cache.as_str())
    }

    /// The real Nix, but every call is written down.
    pub(crate) fn counted(self) -> Sandbox {
        self.nix_script("echo \"$1\" >> \"$temp/calls\"; exec \"$nix\" \"$@\"")
    }

    /// What Nix was called for since the last time.
    pub(crate) fn calls(&self) -> String {
        let file = self.temp().join("calls");
        let res = fs::read_to_string(&file).unwrap_or_default();
        drop(fs::remove_file(&file));
        res
    }

    /// A Nix that knows one package, `default`, and builds it by this script. Its output is valid only if the
    /// script makes it: `touch \"$out\"`.
    pub(crate) fn scripted(self, build: &str) -> Sandbox {
        let package = format!(
            r#"{{"drv": "{DRV}", "system": "{}", "main": "default", "outs": {{"out": "{OUT}"}}, "first": "out"}}"#,
            system()
        );
        let script = format!(
            "out=$temp/cache/elodin-xtask/nix/{}-store{OUT}\n\
             case \"$1 $2\" in\n\
             eval*) case \"$*\" in *attrNames*) echo '[\"default\"]';; *) echo '{package}';; esac;;\n\
             path-info*) if [ -e \"$out\" ]; then echo '{{\"{OUT}\": {{\"narSize\": 120}}}}'; else echo '{{}}'; fi;;\n\
             'build --json') {build}\n;;\n\
             build*) ln -sfn \"$2\" \"$4\";;\n\
             *) echo \"not scripted: $*\" >&2; exit 1;;\nesac",
            suite()
        );
        let res = self.file("flake.nix", "{outputs = _: {};}").nix_script(&script);
        // Not the real store: what is made up must not get there.
        let store = Utf8PathBuf::from(format!("{}/cache/elodin-xtask/nix/{}-store", res.temp(), suite()));
        fs::remove_file(&store).unwrap();
        fs::create_dir_all(store.join("nix/store")).unwrap();
        res
    }
}

/// What Nix logs around a build of `default`: counts and the build itself, with `inner` in between.
pub(crate) fn build_events(inner: &str) -> String {
    format!(
        "say() {{ echo \"@nix $1\" >&2; }}\n\
         say '{{\"action\":\"start\",\"id\":1,\"level\":0,\"parent\":0,\"text\":\"\",\"type\":104}}'\n\
         say '{{\"action\":\"start\",\"fields\":[\"{DRV}\",\"\",1,1],\"id\":2,\"level\":3,\"parent\":1,\"text\":\"\",\"type\":105}}'\n\
         {inner}\n\
         say '{{\"action\":\"result\",\"fields\":[1,1,0,0],\"id\":1,\"type\":105}}'\n\
         say '{{\"action\":\"stop\",\"id\":2}}'\n\
         say '{{\"action\":\"stop\",\"id\":1}}'\n"
    )
}
