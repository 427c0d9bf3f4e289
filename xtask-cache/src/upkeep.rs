//! What is asked of a cache besides pushing, from jobs to JSON.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use serde_json::{Value, json};

use crate::bucket::{Access, Bucket, Patience};
use crate::job::{Event, PruneJob, StatusJob, VerifyJob};
use crate::keys::PublicKey;
use crate::machine::Machine;
use crate::{prune, survey, verify};

/// How often it is told how far we are.
const TICK: Duration = Duration::from_millis(200);
/// No try to reach a cache begins after so long, when it is only asked what it has.
const QUICK: Duration = Duration::from_secs(5);

/// Who does the work, and whom it is told.
pub struct Upkeep<'a> {
    pub machine: &'a Machine,
    pub patience: Patience,
    pub tell: &'a (dyn Fn(Event) + Sync),
}

impl Upkeep<'_> {
    fn open(&self, url: &str, access: Access, jobs: usize) -> anyhow::Result<Bucket> {
        Ok(Bucket::open(url, access, self.machine, self.patience, jobs)?)
    }

    fn open_all(&self, urls: &[String], jobs: usize) -> anyhow::Result<Vec<Bucket>> {
        urls.iter().map(|it| self.open(it, Access::Read, jobs)).collect()
    }

    /// Tells now and then.
    fn looked(&self) -> impl Fn(usize) + Sync {
        let last = Mutex::new(Instant::now());
        move |paths| {
            let mut last = last.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            if last.elapsed() > TICK {
                *last = Instant::now();
                (self.tell)(Event::Looked { paths });
            }
        }
    }

    /// What caches can serve of each path: `results`, and the caches that are `dead`.
    ///
    /// # Errors
    /// When a URL is none.
    pub fn status(&self, job: &StatusJob) -> anyhow::Result<(bool, Value)> {
        // Who wants to know what is there does not wait for what is not.
        let quick = Upkeep { patience: Patience { total: QUICK, ..self.patience }, ..*self };
        let caches = quick.open_all(&job.caches, job.jobs)?;
        let found = survey::survey(&caches, &job.paths, job.jobs, &self.looked());
        let mut all = true;
        let result = |path: &String| {
            let reach = found.reach(path);
            let (from, problem) = match found.states.get(path) {
                Some(survey::State::Served { cache, .. }) => (job.caches.get(*cache), None),
                Some(survey::State::Unreadable(what)) => (None, Some(what.clone())),
                _ => (None, None),
            };
            let state = match (reach.missing.is_empty(), reach.unknown.is_empty()) {
                (true, true) => "served",
                (false, _) => "missing",
                (true, false) => "unknown",
            };
            all &= state == "served";
            json!({
                "path": path, "state": state, "from": from, "problem": problem, "paths": reach.paths.len(),
                "missing": reach.missing, "unknown": reach.unknown, "download": reach.file_size, "size": reach.nar_size,
            })
        };
        let results: Vec<Value> = job.paths.iter().map(result).collect();
        let dead = found.dead.iter().map(|(n, why)| json!({"cache": job.caches.get(*n), "error": why.text}));
        Ok((all, json!({"results": results, "dead": dead.collect::<Vec<_>>()})))
    }

    /// What is wrong: `paths`, `read`, `findings`.
    ///
    /// # Errors
    /// When the cache cannot be asked.
    pub fn verify(&self, job: &VerifyJob) -> anyhow::Result<(bool, Value)> {
        let cache = self.open(&job.cache, Access::Read, job.jobs)?;
        let upstream = self.open_all(&job.upstream, job.jobs)?;
        let keys: Vec<PublicKey> =
            job.keys.iter().map(|it| PublicKey::parse(it)).collect::<Result<_, _>>()?;
        let paths = job.paths.as_deref();
        let verdict = verify::verify(
            &verify::Job {
                cache: &cache,
                upstream: &upstream,
                keys: &keys,
                paths,
                deep: job.deep,
                threads: job.jobs,
            },
            &self.looked(),
        )
        .with_context(|| format!("cannot look into {}", job.cache))?;
        let sound = !verdict.findings.iter().any(|it| it.fault.is_serious());
        Ok((sound, serde_json::to_value(verdict)?))
    }

    /// What would be deleted, or was: `kept`, `paths`, `archives`, `back`, `size`.
    ///
    /// # Errors
    /// When the cache cannot be asked, or refuses.
    pub fn prune(&self, job: &PruneJob) -> anyhow::Result<(bool, Value)> {
        let access = if job.delete { Access::Write } else { Access::Read };
        let cache = self.open(&job.cache, access, job.jobs)?;
        let keep = prune::Keep {
            paths: &job.paths,
            younger_than: Duration::from_hours(24) * job.keep_days,
            now: (self.machine.now)(),
        };
        let mut plan = prune::plan(&cache, &keep, job.jobs, &self.looked())?;
        if job.delete {
            prune::sweep(&cache, &mut plan, job.jobs, &self.looked())?;
        }
        let mut json = serde_json::to_value(&plan)?;
        json["size"] = plan.size().into();
        Ok((true, json))
    }
}

impl std::fmt::Debug for Upkeep<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Upkeep").finish_non_exhaustive()
    }
}
