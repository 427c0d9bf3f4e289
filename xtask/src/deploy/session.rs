//! A device that was reached and found fit: what `deploy` and `rollback` have in common.

use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context as _, bail};
use serde_json::{Value, json};

use super::facts::Facts;
use super::job::{self, Job, Mode};
use super::renewal::Renewal;
use super::ssh::{Line, Ssh, not_interrupted};
use super::target::Target;
use super::verdict::Verdict;
use super::{host_key, record, transaction};
use crate::context::Context;
use crate::known_names::KnownNames;
use crate::locks::calendar;
use crate::nix::store_path::StorePath;
use crate::report::Report;

/// Less is no time to activate anything and look at it.
const SHORTEST: u32 = 5;

/// Which device, and on what terms.
#[derive(Debug, Clone, Default)]
pub struct Terms {
    /// The manifest's by default.
    pub target: Option<String>,
    /// Seconds; the manifest's by default.
    pub confirm_timeout: Option<u32>,
    /// The fingerprint of the host key that the user expects.
    pub host_key: Option<String>,
    /// Takes the lock from somebody who has begun and gone away.
    pub take_over: bool,
}

#[derive(Debug)]
pub struct Session {
    pub ssh: Ssh,
    pub facts: Facts,
    pub id: String,
    pub who: String,
    terms: Terms,
    timeout: Duration,
    since: Instant,
}

impl Terms {
    /// The device that is meant.
    ///
    /// # Errors
    /// When none is named, or it is spelled wrong.
    pub fn target(&self, cx: &Context) -> anyhow::Result<Target> {
        let text = self.target.as_ref().or(cx.workspace.manifest.aleph.target.as_ref());
        let text = text.context("which device? name it, or write `target = \"root@fde1:2240:a1ef::1\"` under `[aleph]` in xtask.toml")?;
        text.parse()
    }

    /// # Errors
    /// When it is too short.
    pub fn timeout(&self, cx: &Context) -> anyhow::Result<Duration> {
        let timeout = self.confirm_timeout.unwrap_or(cx.workspace.manifest.aleph.confirm_timeout);
        if timeout < SHORTEST {
            bail!("{timeout} s are too short to confirm anything; give it {SHORTEST} s at least");
        }
        Ok(Duration::from_secs(timeout.into()))
    }
}

impl Session {
    /// Does something with the device; whatever fails on the way has changed nothing.
    pub fn with(
        cx: &mut Context,
        terms: &Terms,
        act: impl FnOnce(&mut Context, &Session) -> anyhow::Result<Report>,
    ) -> Report {
        match Session::open(cx, terms) {
            Ok(session) => {
                act(cx, &session).unwrap_or_else(|error| refused(terms, cx, Some(&session), &error))
            }
            Err(error) => refused(terms, cx, None, &error),
        }
    }

    /// Connects, makes sure that it is the right device, and reads what it is like.
    ///
    /// # Errors
    /// When it is not to be deployed to.
    pub fn open(cx: &mut Context, terms: &Terms) -> anyhow::Result<Session> {
        let since = Instant::now();
        let timeout = terms.timeout(cx)?;
        let mut ssh = Ssh::new(cx, terms.target(cx)?)?;
        host_key::check(cx, &ssh, terms.host_key.as_deref())?;
        let facts = Facts::read(cx, &ssh)?;
        facts.check()?;
        ssh.sudo = !facts.root;
        let generation = facts.generation.map(|it| format!(", generation {it}")).unwrap_or_default();
        cx.ui.status(&format!(
            "{}: {}, runs {}{generation}",
            ssh.target,
            facts.machine,
            short(&facts.current)
        ));
        let now = u64::try_from(calendar::seconds(SystemTime::now())).unwrap_or(0);
        facts.warnings(now).iter().for_each(|it| cx.ui.warning(it));
        let (id, who) = (job::id(SystemTime::now()), job::who(cx));
        Ok(Session { ssh, facts, id, who, terms: terms.clone(), timeout, since })
    }

    /// A job for this device; `told` goes into the records.
    #[must_use]
    pub fn job(&self, cx: &Context, new: &str, mode: Mode, generation: Option<u32>, told: &Value) -> Job {
        let target = self.ssh.target.to_string();
        let started = job::time(SystemTime::now());
        Job {
            id: self.id.clone(),
            who: format!("{}, since {started} by that machine's clock", self.who),
            new: new.to_owned(),
            old: self.facts.clone(),
            generation,
            mode,
            timeout: self.timeout,
            probes: cx.workspace.manifest.aleph.probes.clone(),
            record: job::record(&self.id, &self.who, &target, new, &self.facts.current, told),
        }
    }

    /// Keeps others from deploying to it, until the end.
    ///
    /// # Errors
    /// When somebody is at it: then with who.
    pub fn lock(&self, cx: &mut Context, job: &Job) -> anyhow::Result<()> {
        let script = job.lock(self.terms.take_over);
        let answer = self.ssh.ask(cx, Line::Kept, &script, Duration::from_secs(30))?;
        let Some(holder) = answer.get("held") else {
            return match answer.get("locked") {
                Some(_) => Ok(()),
                None => bail!("{} did not say that it is locked", self.ssh.target),
            };
        };
        let wait = match (answer.get("armed"), answer.get("left")) {
            (Some(_), _) => {
                "it is in the middle of an activation and comes to an end by itself; wait for that".to_owned()
            }
            (None, Some(left)) => {
                format!("wait for that; if it is over, say `--take-over`, or wait {left} s")
            }
            (None, None) => "try again".to_owned(),
        };
        bail!("somebody else is deploying to {}: {holder}\n{wait}", self.ssh.target)
    }

    /// Does it under the lock: `prepare` may still fail without a change. Everything after that ends in a verdict.
    ///
    /// # Errors
    /// When nothing was changed.
    pub fn carry_out(
        &self,
        cx: &mut Context,
        job: &Job,
        prepare: impl FnOnce(&mut Context) -> anyhow::Result<()>,
    ) -> anyhow::Result<Verdict> {
        let under_lock = |cx: &mut Context| {
            let _renewal = Renewal::start(cx, &self.ssh, job)?;
            prepare(cx)
        };
        let prepared = self.lock(cx, job).and_then(|()| under_lock(cx)).and_then(|()| not_interrupted(cx));
        if let Err(error) = prepared {
            // Also after Ctrl-C: nobody else should have to wait.
            cx.interrupt.forgive();
            drop(self.ssh.ask(cx, Line::Kept, &job.unlock(), Duration::from_secs(10)));
            let runs = Some(self.facts.current.clone());
            self.write_down(cx, job, &Verdict::failed(format!("{error:#}"), runs));
            return Err(error);
        }
        let verdict = transaction::run(cx, &self.ssh, job);
        self.write_down(cx, job, &verdict);
        Ok(verdict)
    }

    fn write_down(&self, cx: &Context, job: &Job, verdict: &Verdict) {
        if let Err(error) = record::add(cx, &job.record, verdict, self.since.elapsed()) {
            cx.ui.warning(&format!("it is not in the records: {error:#}"));
        }
    }

    /// That it was that already.
    #[must_use]
    pub fn already(&self, more: Value) -> Report {
        let (runs, profile) = (Some(self.facts.current.clone()), Some(self.facts.profile.clone()));
        let end = super::verdict::End::Deployed;
        let verdict = Verdict { end, why: None, runs, profile, generation: self.facts.generation };
        let target = self.ssh.target.to_string();
        Report {
            notes: vec![verdict.text(&target, "there is nothing to do")],
            ..verdict.report(&target, more)
        }
    }

    #[must_use]
    pub fn report(&self, verdict: &Verdict, mut more: Value) -> Report {
        if let Value::Object(more) = &mut more {
            more.insert("id".to_owned(), json!(self.id));
            more.insert("previous".to_owned(), json!(self.facts.current));
            more.insert("seconds".to_owned(), json!(self.since.elapsed().as_secs_f64()));
        }
        verdict.report(&self.ssh.target.to_string(), more)
    }
}

/// Whether Nix has told of a configuration of that name.
fn is_configuration(cx: &Context, name: &str) -> bool {
    let known = KnownNames::read(&cx.state()).configurations();
    known.iter().any(|it| it == name) || cx.workspace.manifest.aleph.config == name
}

/// The name of a system without its hash, for people.
#[must_use]
pub fn short(path: &str) -> String {
    path.parse::<StorePath>().map_or_else(|_| path.to_owned(), |it| it.name().to_owned())
}

/// Two systems for people: by name where that tells them apart.
#[must_use]
pub fn from_to(old: &str, new: &str) -> String {
    let (from, to) = (short(old), short(new));
    if from == to {
        return format!(
            "{}\n→ {}",
            old.trim_start_matches("/nix/store/"),
            new.trim_start_matches("/nix/store/")
        );
    }
    format!("{from} → {to}")
}

/// The report of what failed before anything was changed.
fn refused(terms: &Terms, cx: &Context, session: Option<&Session>, error: &anyhow::Error) -> Report {
    cx.interrupt.forgive();
    let target = match session {
        Some(session) => session.ssh.target.to_string(),
        None => terms.target(cx).map_or_else(|_| "the device".to_owned(), |it| it.to_string()),
    };
    let runs = session.map(|it| it.facts.current.clone());
    let mut why = format!("{error:#}");
    if let (None, Some(named)) = (session, &terms.target)
        && is_configuration(cx, named)
    {
        why.push_str(&format!("\n`{named}` is a configuration: did you mean `--config {named}`?"));
    }
    let mut verdict = Verdict::failed(why, runs);
    verdict.profile = session.map(|it| it.facts.profile.clone());
    verdict.report(&target, json!({}))
}
