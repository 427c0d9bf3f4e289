//! The lock on a device, renewed for as long as a copy takes.

use std::convert::Infallible;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::Context as _;

use super::job::Job;
use super::ssh::Ssh;
use crate::context::Context;
use crate::nix::process::{self, Command};

/// How long one renewal may take.
const PATIENCE: Duration = Duration::from_secs(15);

/// Ends with this value.
#[derive(Debug)]
pub struct Renewal {
    stop: Option<Sender<Infallible>>,
    thread: Option<JoinHandle<()>>,
}

impl Renewal {
    /// Renews the lock of this job from now on.
    ///
    /// # Errors
    /// When there is no ssh any more.
    pub fn start(cx: &Context, ssh: &Ssh, job: &Job) -> anyhow::Result<Renewal> {
        let program = cx.host.which("ssh").context("there is no ssh on PATH; install OpenSSH's client")?;
        let (args, text) = (ssh.words_for_script(), job.renew().text());
        let (dir, env, interrupt) = (cx.host.cwd.clone(), cx.host.env.clone(), cx.interrupt.clone());
        let pause = job.lease() / 4;
        let (stop, stopped) = channel();
        let renew = move || {
            let input = text.as_bytes();
            let command = Command { program: &program, args: &args, dir: &dir, env: &env, input };
            while stopped.recv_timeout(pause) == Err(RecvTimeoutError::Timeout) {
                // A link that is cut may be back for the next one. Who has lost the lock is told so before anything is
                // changed.
                drop(process::run_within(&command, Some(PATIENCE), &interrupt, &mut |_| ()));
            }
        };
        Ok(Renewal { stop: Some(stop), thread: Some(std::thread::spawn(renew)) })
    }
}

impl Drop for Renewal {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(Err(panic)) = self.thread.take().map(JoinHandle::join)
            && !std::thread::panicking()
        {
            std::panic::resume_unwind(panic);
        }
    }
}
