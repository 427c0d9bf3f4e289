//! A device that outlives its test, to be deployed to by hand: with `XTASK_TEST_KEEP` in the environment.

use std::fmt::Write as _;

use crate::device::Device;

pub(crate) fn wanted() -> bool {
    std::env::var_os("XTASK_TEST_KEEP").is_some()
}

impl Device {
    /// Leaves it running, and says how to get at it and how to end it.
    pub(crate) fn leave(&mut self) {
        self.sandbox.temp.disable_cleanup(true);
        let Some(child) = self.child.take() else { return };
        let Device { ours, theirs, dir, .. } = &*self;
        let temp = self.sandbox.temp();
        let mut enter =
            format!("#!/bin/sh\ncd {}\nexec ip netns exec {ours} env -i TERM=\"$TERM\"", self.sandbox.root());
        let path = env!("CARGO_BIN_EXE_xtask").trim_end_matches("/xtask");
        for (name, value) in self.sandbox.environment() {
            let value = if name == "PATH" { format!("{path}:{value}") } else { value.clone() };
            write!(enter, " {name}='{value}'").unwrap();
        }
        let end = format!(
            "#!/bin/sh\nkill -KILL -{group}\nip netns pids {theirs} | xargs -r kill -KILL\nip netns pids {ours} | xargs -r kill -KILL\n\
             ip netns del {theirs}\nip netns del {ours}\nsleep 1\nrm -r {dir} {temp}\n",
            group = child.id()
        );
        self.sandbox.program("enter", &format!("{enter} \"${{@:-bash}}\"\n"));
        self.sandbox.program("end", &end);
        eprintln!(
            "the device is kept\n  {temp}/enter [COMMAND]  at our end of the cable, in the workspace: xtask deploy --config bench\n  {temp}/end  its end"
        );
    }
}
