//! `[ci]` of the manifest: the jobs that a commit must pass, as data.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Deserializer, de};

use super::ci_text::{action, command_lines, days, job_name, paths, refs, role, variable, variables};

/// The jobs that CI runs, and where.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema, serde::Serialize))]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct CiSettings {
    /// The branch that others start from.
    pub default_branch: String,
    /// What can be had of evaluation at once: MiB of heap for each process of Nix.
    pub eval_memory: u32,
    /// Where CI builds for a system, such as `aarch64-linux`. Empty: anywhere, and for all systems.
    pub systems: BTreeMap<String, CiMachines>,
    /// What GitHub needs to know.
    pub github: GithubSettings,
    /// What `ci lint` accepts.
    pub lint: CiLintSettings,
    /// The jobs, in order. Absent: one, `check`.
    #[serde(rename = "job", deserialize_with = "jobs")]
    #[cfg_attr(test, schemars(with = "Vec<Job>"))]
    pub jobs: Vec<Job>,
}

/// The machines of one system.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema, serde::Serialize))]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct CiMachines {
    /// GitHub's label of a runner, such as `ubuntu-24.04`.
    pub runner: Option<String>,
    /// Buildkite's queue.
    pub queue: Option<String>,
}

/// What GitHub needs to know. Actions are pinned: `OWNER/NAME@COMMIT`, then a version for people.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema, serde::Serialize))]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct GithubSettings {
    /// The action that checks the repository out. Absent: plain git.
    #[serde(deserialize_with = "action")]
    #[cfg_attr(test, schemars(with = "Option<String>"))]
    pub checkout: Option<String>,
    /// The action that installs Nix. Absent: the runner has one.
    #[serde(deserialize_with = "action")]
    #[cfg_attr(test, schemars(with = "Option<String>"))]
    pub install_nix: Option<String>,
    /// The role in AWS that jobs with `aws = true` take, by OIDC: its ARN.
    #[serde(deserialize_with = "role")]
    #[cfg_attr(test, schemars(with = "Option<String>"))]
    pub aws_role: Option<String>,
    /// Instead: the variable of the repository at GitHub that has the ARN.
    #[serde(deserialize_with = "variable")]
    #[cfg_attr(test, schemars(with = "Option<String>"))]
    pub aws_role_variable: Option<String>,
    /// The region of AWS.
    pub aws_region: Option<String>,
}

/// What `ci lint` accepts.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema, serde::Serialize))]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct CiLintSettings {
    /// Megabytes that a source in the store may have.
    pub max_source: u32,
    /// Outputs that may change when they should not, each with the reason.
    pub accept: BTreeMap<String, String>,
}

/// One job: command lines, and where and when CI runs them.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema, serde::Serialize))]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Job {
    /// What it is called: lower-case letters, digits and `-`.
    #[serde(deserialize_with = "job_name")]
    #[cfg_attr(test, schemars(with = "String"))]
    pub name: String,
    /// What it is for, in a few words.
    #[serde(default)]
    pub about: Option<String>,
    /// Command lines: a verb of xtask with its arguments, or `cargo` with its own. All are run, in order.
    #[serde(deserialize_with = "command_lines")]
    #[cfg_attr(test, schemars(with = "Vec<String>"))]
    pub run: Vec<Vec<String>>,
    /// Variables of its environment.
    #[serde(default)]
    pub env: BTreeMap<String, String>,
    /// Whether `cargo xtask ci` without names runs it here.
    #[serde(default)]
    pub local: bool,
    /// The system that it needs. Absent: `x86_64-linux` in CI, any system here.
    #[serde(default)]
    pub system: Option<String>,
    /// Jobs that must be good before.
    #[serde(default)]
    pub needs: Vec<String>,
    /// When CI runs it. Absent: for every change.
    #[serde(default)]
    pub when: When,
    /// GitHub's label of a runner, where it is not the system's.
    #[serde(default)]
    pub runner: Option<String>,
    /// Buildkite's queue, where it is not the system's.
    #[serde(default)]
    pub queue: Option<String>,
    /// Names of variables with secrets, which CI has and no file of ours.
    #[serde(default, deserialize_with = "variables")]
    #[cfg_attr(test, schemars(with = "BTreeSet<String>"))]
    pub secrets: BTreeSet<String>,
    /// Whether it takes the role in AWS.
    #[serde(default)]
    pub aws: bool,
    /// Instead of `run`, CI builds what `ci matrix` chooses, each output as a job of its own.
    #[serde(default)]
    pub matrix: Option<MatrixSettings>,
    /// Minutes after which CI gives up. 60 where it says none.
    #[serde(default = "an_hour")]
    pub timeout: u32,
    /// The heading that Buildkite shows it under.
    #[serde(default)]
    pub group: Option<String>,
}

/// When CI runs a job. With several of branches, tags and schedule: for any of them.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema, serde::Serialize))]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct When {
    /// Only when one of these files has changed: globs, relative to the root.
    #[serde(deserialize_with = "paths")]
    #[cfg_attr(test, schemars(with = "Vec<String>"))]
    pub paths: Vec<String>,
    /// Only after a push to one of these branches: names, or beginnings that end in `*`.
    #[serde(deserialize_with = "refs")]
    #[cfg_attr(test, schemars(with = "Vec<String>"))]
    pub branches: Vec<String>,
    /// Only for one of these tags: names, or beginnings that end in `*`.
    #[serde(deserialize_with = "refs")]
    #[cfg_attr(test, schemars(with = "Vec<String>"))]
    pub tags: Vec<String>,
    /// At these times (UTC), as cron writes them: minute, hour, day, month, weekday.
    #[serde(deserialize_with = "days")]
    #[cfg_attr(test, schemars(with = "Vec<String>"))]
    pub schedule: Vec<String>,
}

/// Which outputs are built.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema, serde::Serialize))]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct MatrixSettings {
    /// Only those whose derivation differs from the one that the change started from.
    pub changed: bool,
    /// Only those that no binary cache has.
    pub skip_cached: bool,
}

fn an_hour() -> u32 {
    60
}

impl Default for CiSettings {
    fn default() -> CiSettings {
        CiSettings {
            default_branch: "main".to_owned(),
            eval_memory: 4096,
            systems: BTreeMap::new(),
            github: GithubSettings::default(),
            lint: CiLintSettings::default(),
            jobs: vec![Job::check()],
        }
    }
}

impl Default for CiLintSettings {
    fn default() -> CiLintSettings {
        CiLintSettings { max_source: 50, accept: BTreeMap::new() }
    }
}

impl Job {
    /// What every workspace can be asked for.
    fn check() -> Job {
        Job {
            name: "check".to_owned(),
            about: Some("format, locks, evaluation and checks of every flake".to_owned()),
            run: vec![vec!["check".to_owned()]],
            env: BTreeMap::new(),
            local: true,
            system: None,
            needs: Vec::new(),
            when: When::default(),
            runner: None,
            queue: None,
            secrets: BTreeSet::new(),
            aws: false,
            matrix: None,
            timeout: an_hour(),
            group: None,
        }
    }

    /// The system that it runs on in CI.
    #[must_use]
    pub fn ci_system(&self) -> &str {
        self.system.as_deref().unwrap_or("x86_64-linux")
    }
}

impl When {
    /// Whether it is run for every change, paths apart.
    #[must_use]
    pub fn is_always(&self) -> bool {
        self.branches.is_empty() && self.tags.is_empty() && self.schedule.is_empty()
    }
}

/// Each name once, and needs that are there and come before.
fn jobs<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Job>, D::Error> {
    let jobs = Vec::<Job>::deserialize(deserializer)?;
    for (at, job) in jobs.iter().enumerate() {
        if jobs[..at].iter().any(|it| it.name == job.name) {
            return Err(de::Error::custom(format!("there are two jobs `{}`", job.name)));
        }
        for need in &job.needs {
            let name = &job.name;
            if !jobs[..at].iter().any(|it| it.name == *need) {
                let problem =
                    format!("the job `{name}` needs `{need}`, which is no job in front of it in the table");
                return Err(de::Error::custom(problem));
            }
        }
    }
    Ok(jobs)
}
