//! A deployment once it may change something: armed first, then activated, confirmed from outside, kept or undone.
//!
//! The device can finish all of this without us. So nothing here is believed to have happened because it was asked for:
//! [`Transaction::settle`] looks, over a new connection each time, until the device says how it ended.

use std::thread::sleep;
use std::time::{Duration, Instant, SystemTime};

use unix::sys::signal::Signal;

use super::job::{self, Job, Mode};
use super::seen::{Phase, Seen};
use super::ssh::{Line, Ssh, Trouble};
use super::units::Health;
use super::verdict::{End, Verdict};
use crate::context::Context;
use crate::report::seconds;

/// How long a device may take for an answer.
const PATIENCE: Duration = Duration::from_secs(30);
/// Between two looks.
const PAUSE: Duration = Duration::from_millis(400);
/// For the network of a device that has gone back: a few looks that fail.
const GRACE: Duration = Duration::from_secs(30);

/// Does what the job says, and finds out how it ended.
pub fn run(cx: &mut Context, ssh: &Ssh, job: &Job) -> Verdict {
    let now = Instant::now();
    let mut it =
        Transaction { ssh, job, deadline: now + job.timeout, offset: 0, silent: false, keeping: false };
    let done = match job.mode {
        Mode::Switch => it.arm(cx).and_then(|()| it.follow(cx)).and_then(|()| it.confirm(cx)),
        Mode::Boot => Ok(()),
    };
    let why = done.and_then(|()| it.commit(cx)).err();
    it.settle(cx, why)
}

struct Transaction<'a> {
    ssh: &'a Ssh,
    job: &'a Job,
    /// When the device goes back by itself.
    deadline: Instant,
    /// How much of the activation's log was shown.
    offset: u64,
    /// That it does not answer was said.
    silent: bool,
    /// It was told to keep the new system: from then on nothing can be stopped.
    keeping: bool,
}

/// The word for somebody who stops what is kept already.
const TOO_LATE: &str = "it is too late to stop that";
const LOOKING: &str = "looking how it ends";

/// Whether the user does not even wait for the end; `told` is whether the first wish to stop was heard.
fn gives_up(cx: &Context, told: &mut bool) -> bool {
    // A terminal that goes away says so more than once; that is no second thought.
    let lost = cx.interrupt.signal() == Some(Signal::SIGHUP);
    cx.interrupt.forgive();
    if !std::mem::replace(told, true) {
        cx.ui.warning(&format!("{TOO_LATE}; {LOOKING}"));
        return false;
    }
    !lost
}

/// Why it does not go on.
type Why = String;

impl Transaction<'_> {
    fn look(&self, cx: &mut Context, turns: u32, log: &str) -> Result<Seen, Trouble> {
        let script = self.job.state(turns, self.offset, log);
        self.ssh.ask(cx, Line::New, &script, PATIENCE).map(|it| Seen::of(&it))
    }

    /// Arms the dead-man's switch; the activation begins right behind it.
    fn arm(&mut self, cx: &mut Context) -> Result<(), Why> {
        let timeout = self.job.timeout.as_secs();
        let answer = self.ssh.ask(cx, Line::Kept, &self.job.arm(), PATIENCE).map_err(|it| it.to_string())?;
        self.deadline = Instant::now() + self.job.timeout;
        match answer.get("problem") {
            Some(problem) => Err(problem.to_owned()),
            None if answer.get("armed").is_none() => {
                Err("the device did not say that it is armed".to_owned())
            }
            None => {
                cx.ui.status(&format!(
                    "armed: the device goes back by itself after {timeout} s unless it is confirmed"
                ));
                Ok(())
            }
        }
    }

    /// Shows what the activation says, until it has ended.
    fn follow(&mut self, cx: &mut Context) -> Result<(), Why> {
        loop {
            self.time_left(cx, "activating");
            match self.look(cx, 10, "log") {
                Ok(seen) => {
                    self.heard(cx);
                    seen.log.lines().for_each(|it| cx.ui.status(&format!("  {it}")));
                    self.offset = seen.offset;
                    self.ours(&seen)?;
                    match seen.status {
                        Some(0) => return Ok(()),
                        Some(code) => return Err(format!("the activation failed (exit code {code})")),
                        None => {}
                    }
                }
                Err(trouble) => self.trouble(cx, trouble)?,
            }
            if Instant::now() > self.deadline {
                return Err(format!("the activation did not end within {}", seconds(self.job.timeout)));
            }
        }
    }

    /// Looks from outside whether the device is well, for a while.
    fn confirm(&mut self, cx: &mut Context) -> Result<(), Why> {
        let settled = Duration::from_secs(5).min(self.job.timeout / 4);
        let early = Duration::from_secs(10).min(self.job.timeout / 5);
        cx.ui.status("activated; looking at it over a new connection");
        let mut good: Option<Instant> = None;
        let mut last = String::new();
        loop {
            self.time_left(cx, "looking at it");
            let health = match self.ssh.ask(cx, Line::New, &self.job.health(), PATIENCE) {
                Ok(answer) => {
                    self.heard(cx);
                    let seen = Seen::of(&answer);
                    self.ours(&seen).map_err(|it| format!("{it}{last}"))?;
                    seen.health(self.job)
                }
                Err(trouble) => {
                    let why = trouble.to_string();
                    self.trouble(cx, trouble)?;
                    Health::Unsettled(why)
                }
            };
            match health {
                Health::Bad(why) => return Err(why),
                Health::Good if good.is_some_and(|it| it.elapsed() >= settled) => return Ok(()),
                Health::Good => (good, last) = (good.or(Some(Instant::now())), String::new()),
                Health::Unsettled(why) if Instant::now() + early > self.deadline => return Err(why),
                // It may have gone back by itself before the next look.
                Health::Unsettled(why) => (good, last) = (None, format!("; {why}")),
            }
            sleep(PAUSE);
        }
    }

    /// Lets the device keep the new system. It does that by itself, and says when it has.
    fn commit(&mut self, cx: &mut Context) -> Result<(), Why> {
        self.keeping = true;
        cx.ui.status(&match self.job.mode {
            Mode::Switch => format!("well: {}; keeping it", self.job.proven()),
            Mode::Boot => "making it what boots".to_owned(),
        });
        match self.ssh.ask(cx, Line::New, &self.job.commit(), PATIENCE) {
            Ok(_) => Ok(()),
            Err(Trouble::Interrupted) => Err(TOO_LATE.to_owned()),
            Err(trouble) => Err(trouble.to_string()),
        }
    }

    /// That it is still this transaction that goes on there.
    fn ours(&self, seen: &Seen) -> Result<(), Why> {
        if seen.boot != self.job.old.boot {
            return Err("the device was booted again in the middle of it".to_owned());
        }
        match seen.phase {
            Some(Phase::Armed) => Ok(()),
            Some(Phase::Reverting) => Err(self.too_late()),
            _ => Err("the device has lost this deployment".to_owned()),
        }
    }

    fn too_late(&self) -> Why {
        format!("it was not confirmed within {}", seconds(self.job.timeout))
    }

    /// For those who watch.
    fn time_left(&self, cx: &mut Context, what: &str) {
        let left = self.deadline.saturating_duration_since(Instant::now()).as_secs();
        cx.ui.progress(&format!("{what}; the device goes back by itself in {left} s"));
    }

    fn heard(&mut self, cx: &Context) {
        if std::mem::take(&mut self.silent) {
            cx.ui.status("the device answers again");
        }
    }

    /// A device may be away while it starts its network again; an interrupt ends it.
    fn trouble(&mut self, cx: &Context, trouble: Trouble) -> Result<(), Why> {
        match trouble {
            Trouble::NoConnection(why) => {
                let left = self.deadline.saturating_duration_since(Instant::now());
                if left.is_zero() {
                    return Err(format!("it did not answer in time: {why}"));
                }
                if !std::mem::replace(&mut self.silent, true) {
                    let first = why.lines().next().unwrap_or_default();
                    cx.ui.status(&format!(
                        "{first}; trying again, it goes back by itself in {}",
                        seconds(left)
                    ));
                }
                sleep(PAUSE);
                Ok(())
            }
            Trouble::Failed(why) => Err(why),
            Trouble::Interrupted => Err(trouble.to_string()),
        }
    }

    /// Finds out how it ended; with a reason it is undone first. Waits as long as the device may need to undo it alone.
    fn settle(&mut self, cx: &mut Context, why: Option<Why>) -> Verdict {
        // What was begun is put in order, also after Ctrl-C; a second one leaves that to the device.
        cx.interrupt.forgive();
        if let Some(why) = &why {
            let then = if self.keeping { LOOKING } else { "the device goes back to the old system" };
            cx.ui.warning(&format!("{}; {then}", why.lines().next().unwrap_or_default()));
        }
        let since = Instant::now();
        // Going back takes about as long as going forward, and the user has said how long that is on this device.
        let alone = self.deadline.max(since) + self.job.timeout + GRACE;
        let mut asked = why.is_none();
        let mut told = why.is_some();
        // From here on it is the log of the end.
        self.offset = 0;
        let mut log = String::new();
        loop {
            let problem = match self.look(cx, 10, "commit.log") {
                Ok(seen) => {
                    if let Some(end) = seen.end(self.job) {
                        if seen.boot != self.job.old.boot {
                            // The boot has ended it, and left its roots behind.
                            drop(self.ssh.ask(cx, Line::New, &self.job.unlock(), PATIENCE));
                        }
                        return self.verdict(cx, end, &seen, why, &log);
                    }
                    log.push_str(&seen.log);
                    self.offset = seen.offset;
                    match seen.phase {
                        None if !asked || self.job.mode == Mode::Switch => {
                            if let Some(verdict) = self.never_begun(cx, why.as_deref()) {
                                return verdict;
                            }
                        }
                        Some(Phase::Armed) if !asked => asked = self.ask_back(cx),
                        _ => {}
                    }
                    "it has not finished".to_owned()
                }
                Err(Trouble::Interrupted) if gives_up(cx, &mut told) => {
                    return self.unknown(why, "you did not wait for it");
                }
                Err(Trouble::Interrupted) => continue,
                Err(trouble) => trouble.to_string(),
            };
            // Who answers is given the time for two activations and a boot loader.
            if Instant::now()
                > alone + Duration::from_secs(if problem == "it has not finished" { 300 } else { 0 })
            {
                return self.unknown(why, &problem);
            }
            sleep(PAUSE);
        }
    }

    fn ask_back(&self, cx: &mut Context) -> bool {
        self.ssh.ask(cx, Line::New, &self.job.revert(), PATIENCE).is_ok()
    }

    /// The words to arm it were lost on their way. Without the lock they have no effect, should they still arrive.
    fn never_begun(&self, cx: &mut Context, why: Option<&str>) -> Option<Verdict> {
        self.ssh.ask(cx, Line::New, &self.job.unlock(), PATIENCE).ok()?;
        let seen = self.look(cx, 0, "log").ok()?;
        let old = &self.job.old;
        let untouched = seen.phase.is_none() && seen.done.is_none() && seen.boot == old.boot;
        let why = why.unwrap_or("the device has lost this deployment").to_owned();
        (untouched && seen.current == old.current).then(|| Verdict::failed(why, Some(seen.current)))
    }

    fn verdict(&self, cx: &Context, end: End, seen: &Seen, why: Option<Why>, log: &str) -> Verdict {
        log.lines().chain(seen.log.lines()).for_each(|it| cx.ui.status(&format!("  {it}")));
        let why = match end {
            End::Deployed => None,
            End::Unknown => Some(format!(
                "it runs {} and boots {}, which is neither the old system nor the new one; {}",
                seen.current,
                seen.profile,
                self.what_to_check()
            )),
            // Its timer may have been quicker than our word to keep it.
            _ if why.is_none() && seen.phase == Some(Phase::Reverting) => Some(self.too_late()),
            _ => why.or_else(|| Some("the device could not keep it (see above)".to_owned())),
        };
        let (runs, profile) = (Some(seen.current.clone()), Some(seen.profile.clone()));
        Verdict { end, why, runs, profile, generation: seen.generation }
    }

    fn unknown(&self, why: Option<Why>, problem: &str) -> Verdict {
        let why = why.map(|it| format!("{it}; ")).unwrap_or_default();
        let first = problem.lines().next().unwrap_or_default();
        let left = self.deadline.saturating_duration_since(Instant::now());
        let at = job::time(SystemTime::now() + left);
        let back = match (self.job.mode, left.is_zero()) {
            (Mode::Boot, _) => "what runs was not touched".to_owned(),
            (Mode::Switch, true) => "by its own timer it has gone back to the old system".to_owned(),
            (Mode::Switch, false) => format!("by its own timer it goes back to the old system at {at}"),
        };
        let why =
            format!("{why}{first}\n{back}, if it was armed and not confirmed\n{}", self.what_to_check());
        Verdict { end: End::Unknown, why: Some(why), runs: None, profile: None, generation: None }
    }

    fn what_to_check(&self) -> String {
        format!(
            "check: ssh {} readlink -f /run/current-system /nix/var/nix/profiles/system\n  old: {}\n  new: {}",
            self.ssh.target.typed(),
            self.job.old.current,
            self.job.new
        )
    }
}
