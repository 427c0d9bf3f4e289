//! GitHub's workflows, made from the table of jobs.

use std::collections::BTreeMap;

use super::yaml::{Yaml, document, map};
use crate::workspace::{CiSettings, GithubSettings, Job, When};

/// The label of a runner where the table names none.
pub const RUNNER: &str = "ubuntu-24.04";

/// The files, by their paths relative to the root: one workflow for all jobs that look at the same paths, because
/// GitHub can filter paths only for a whole workflow.
///
/// # Errors
/// When a job needs one of another workflow.
pub fn workflows(settings: &CiSettings, head: &str) -> Result<BTreeMap<String, String>, String> {
    let mut groups: Vec<(&[String], Vec<&Job>)> = Vec::new();
    for job in &settings.jobs {
        match groups.iter_mut().find(|it| it.0 == job.when.paths) {
            Some(group) => group.1.push(job),
            None => groups.push((&job.when.paths, vec![job])),
        }
    }
    let mut res = BTreeMap::new();
    for (paths, jobs) in groups {
        for job in &jobs {
            if let Some(need) = job.needs.iter().find(|need| !jobs.iter().any(|it| it.name == **need)) {
                return Err(format!(
                    "the job `{}` needs `{need}`, whose `when.paths` are others: GitHub has them in two workflows; give both the same",
                    job.name
                ));
            }
        }
        let name = if paths.is_empty() { "ci".to_owned() } else { format!("ci-{}", jobs[0].name) };
        let workflow = workflow(settings, &name, paths, &jobs);
        res.insert(format!(".github/workflows/{name}.yml"), document(head, &workflow));
    }
    Ok(res)
}

fn workflow(settings: &CiSettings, name: &str, paths: &[String], jobs: &[&Job]) -> Yaml {
    let mut all = Vec::new();
    for job in jobs {
        all.extend(steps_of(settings, job, jobs));
    }
    map([
        ("name", name.into()),
        ("on", triggers(settings, paths, jobs)),
        ("permissions", map([("contents", "read".into())])),
        (
            "concurrency",
            map([
                ("group", "${{ github.workflow }}-${{ github.ref }}".into()),
                ("cancel-in-progress", "${{ github.event_name == 'pull_request' }}".into()),
            ]),
        ),
        ("jobs", Yaml::Map(all)),
    ])
}

fn triggers(settings: &CiSettings, paths: &[String], jobs: &[&Job]) -> Yaml {
    let each = |of: fn(&When) -> &Vec<String>| {
        let mut all: Vec<String> = jobs.iter().flat_map(|it| of(&it.when).iter().cloned()).collect();
        // For GitHub one star ends at a slash.
        for it in all.iter_mut().filter(|it| it.ends_with('*')) {
            it.push('*');
        }
        all.sort();
        all.dedup();
        all
    };
    let mut branches = each(|it| &it.branches);
    if jobs.iter().any(|it| it.when.is_always()) && !branches.contains(&settings.default_branch) {
        branches.insert(0, settings.default_branch.clone());
    }
    let mut push = Vec::new();
    if !branches.is_empty() {
        push.push(("branches", branches.into()));
    }
    let tags = each(|it| &it.tags);
    if !tags.is_empty() {
        push.push(("tags", tags.into()));
    }
    if !paths.is_empty() {
        push.push(("paths", paths.to_vec().into()));
    }
    let mut res = Vec::new();
    if push.iter().any(|it| it.0 != "paths") {
        res.push(("push", map(push)));
    }
    if jobs.iter().any(|it| it.when.is_always()) {
        let filter = if paths.is_empty() { Vec::new() } else { vec![("paths", paths.to_vec().into())] };
        res.push(("pull_request", map(filter)));
    }
    let mut times: Vec<String> = jobs.iter().flat_map(|it| it.when.schedule.iter().cloned()).collect();
    times.sort();
    times.dedup();
    if !times.is_empty() {
        let time = |it: String| map([("cron", Yaml::Text(it))]);
        res.push(("schedule", Yaml::List(times.into_iter().map(time).collect())));
    }
    res.push(("workflow_dispatch", map([])));
    map(res)
}

/// When a job runs, where its workflow also runs at other times.
fn condition(job: &Job, jobs: &[&Job]) -> Option<String> {
    let when = &job.when;
    let others = jobs.iter().any(|it| it.when != *when);
    if when.is_always() {
        let scheduled = jobs.iter().any(|it| !it.when.schedule.is_empty());
        let refs = jobs.iter().any(|it| !it.when.tags.is_empty() || !it.when.branches.is_empty());
        return match (scheduled, refs) {
            (true, _) => Some("github.event_name != 'schedule'".to_owned()),
            _ => None,
        };
    }
    if !others {
        return None;
    }
    let one = |kind: &str, name: &str| match name.strip_suffix('*') {
        Some(start) => format!("startsWith(github.ref, 'refs/{kind}/{start}')"),
        None => format!("github.ref == 'refs/{kind}/{name}'"),
    };
    let mut any: Vec<String> = when.branches.iter().map(|it| one("heads", it)).collect();
    any.extend(when.tags.iter().map(|it| one("tags", it)));
    let any = any.into_iter().map(|it| format!("(github.event_name == 'push' && {it})"));
    let times = when.schedule.iter().map(|it| format!("github.event.schedule == '{it}'"));
    Some(any.chain(times).collect::<Vec<_>>().join(" || "))
}

/// The entries of a job: one, or for a matrix the choice and what is built.
fn steps_of(settings: &CiSettings, job: &Job, jobs: &[&Job]) -> Vec<(String, Yaml)> {
    let Some(matrix) = &job.matrix else {
        let steps = run_steps(settings, job, &format!("cargo xtask ci {}", job.name), false);
        return vec![(job.name.clone(), entry(settings, job, jobs, steps))];
    };
    let choose = format!("{}-matrix", job.name);
    let mut flags = String::new();
    if matrix.changed {
        flags.push_str(" --changed-since");
    }
    if matrix.skip_cached {
        flags.push_str(" --skip-cached");
    }
    let output = format!(
        "matrix=$(cargo xtask -q ci matrix{flags} --format github)\necho \"matrix=$matrix\" >> \"$GITHUB_OUTPUT\"\n"
    );
    let mut chooser = entry(settings, job, jobs, run_steps(settings, job, &output, true));
    // The second names the step.
    if let Yaml::Map(entries) = &mut chooser {
        let outputs = map([("matrix", "${{ steps.choose.outputs.matrix }}".into())]);
        let at = entries.len() - 1;
        entries.insert(at, ("outputs".to_owned(), outputs));
    }
    let build = "cargo xtask build --no-link --keep-going ${{ matrix.build }}";
    let mut fan = job.clone();
    fan.needs = vec![choose.clone()];
    let mut builder = entry(settings, &fan, jobs, run_steps(settings, job, build, false));
    if let Yaml::Map(entries) = &mut builder {
        let value = |text: &str| Yaml::from(text);
        for (key, with) in [("name", value("${{ matrix.name }}")), ("runs-on", value("${{ matrix.runner }}"))]
        {
            match entries.iter_mut().find(|it| it.0 == key) {
                Some(it) => it.1 = with,
                None => entries.insert(0, (key.to_owned(), with)),
            }
        }
        entries.retain(|it| it.0 != "if");
        let some = format!("fromJSON(needs.{choose}.outputs.matrix).include[0] != null");
        let strategy = map([
            ("fail-fast", false.into()),
            ("matrix", format!("${{{{ fromJSON(needs.{choose}.outputs.matrix) }}}}").into()),
        ]);
        let at = entries.iter().position(|it| it.0 == "steps").unwrap_or(entries.len());
        entries.insert(at, ("strategy".to_owned(), strategy));
        entries.insert(at, ("if".to_owned(), some.into()));
    }
    vec![(choose, chooser), (job.name.clone(), builder)]
}

fn entry(settings: &CiSettings, job: &Job, jobs: &[&Job], steps: Yaml) -> Yaml {
    let machines = settings.systems.get(job.ci_system());
    let runner = job.runner.clone().or_else(|| machines.and_then(|it| it.runner.clone()));
    let mut res: Vec<(&'static str, Yaml)> = Vec::new();
    if let Some(about) = &job.about {
        res.push(("name", format!("{}: {about}", job.name).into()));
    }
    res.push(("runs-on", runner.unwrap_or_else(|| RUNNER.to_owned()).into()));
    if !job.needs.is_empty() {
        res.push(("needs", job.needs.clone().into()));
    }
    // A matrix of nothing is skipped, and so would be whoever needs it.
    let after_matrix = jobs.iter().any(|it| it.matrix.is_some() && job.needs.contains(&it.name));
    let patient = after_matrix.then(|| "!failure() && !cancelled()".to_owned());
    match (patient, condition(job, jobs)) {
        (Some(patient), Some(it)) => res.push(("if", format!("{patient} && ({it})").into())),
        (one, other) => res.extend(one.or(other).map(|it| ("if", Yaml::from(it)))),
    }
    if job.aws {
        res.push(("permissions", map([("contents", "read".into()), ("id-token", "write".into())])));
    }
    res.push(("timeout-minutes", job.timeout.into()));
    if !job.secrets.is_empty() {
        let secret = |it: &String| (it.clone(), Yaml::Text(format!("${{{{ secrets.{it} }}}}")));
        res.push(("env", Yaml::Map(job.secrets.iter().map(secret).collect())));
    }
    res.push(("steps", steps));
    map(res)
}

/// Checks out, installs Nix, takes the role, runs.
fn run_steps(settings: &CiSettings, job: &Job, run: &str, named: bool) -> Yaml {
    let github = &settings.github;
    // To compare with where a change started from takes its history.
    let history = job.matrix.as_ref().is_some_and(|it| it.changed) && named;
    let mut steps = checkout(github, history);
    if let Some(action) = &github.install_nix {
        steps.push(map([("uses", uses(action))]));
    }
    if job.aws {
        steps.push(aws(github, job.timeout));
    }
    let mut step = vec![("run", Yaml::from(run))];
    if named {
        step.insert(0, ("id", "choose".into()));
    }
    steps.push(map(step));
    Yaml::List(steps)
}

/// `OWNER/NAME@COMMIT`, with its version as a remark.
fn uses(action: &str) -> Yaml {
    match action.split_once(' ') {
        Some((reference, version)) => Yaml::Remarked(reference.to_owned(), version.trim().to_owned()),
        None => action.into(),
    }
}

fn checkout(github: &GithubSettings, history: bool) -> Vec<Yaml> {
    if let Some(action) = &github.checkout {
        let mut with = vec![("persist-credentials", false.into())];
        if history {
            with.insert(0, ("fetch-depth", 0.into()));
        }
        return vec![map([("uses", uses(action)), ("with", map(with))])];
    }
    let depth = if history { "" } else { "--depth 1 " };
    let all = if history { " '+refs/heads/*:refs/remotes/origin/*'" } else { "" };
    let script = format!(
        "git init --quiet .\n\
         git remote add origin \"$GITHUB_SERVER_URL/$GITHUB_REPOSITORY\"\n\
         auth=$(printf 'x-access-token:%s' \"$TOKEN\" | base64 -w0)\n\
         echo \"::add-mask::$auth\"\n\
         export GIT_CONFIG_COUNT=1 GIT_CONFIG_KEY_0=\"http.$GITHUB_SERVER_URL/.extraheader\" GIT_CONFIG_VALUE_0=\"AUTHORIZATION: basic $auth\"\n\
         git fetch --quiet {depth}origin \"$GITHUB_SHA\"{all}\n\
         git checkout --quiet --detach \"$GITHUB_SHA\"\n"
    );
    let env = map([("TOKEN", "${{ github.token }}".into())]);
    vec![map([("name", "Check out".into()), ("env", env), ("run", script.into())])]
}

/// Takes a role in AWS for as long as the job may take: GitHub vouches for the job, no key is stored anywhere.
fn aws(github: &GithubSettings, minutes: u32) -> Yaml {
    // AWS takes no less and no more.
    let seconds = minutes.saturating_mul(60).clamp(900, 43_200);
    let script = "token=$(curl --fail --silent --show-error --retry 3 -H \"Authorization: bearer $ACTIONS_ID_TOKEN_REQUEST_TOKEN\" \\\n  \
         \"$ACTIONS_ID_TOKEN_REQUEST_URL&audience=sts.amazonaws.com\" | jq -r .value)\n\
         echo \"::add-mask::$token\"\n\
         aws sts assume-role-with-web-identity --role-arn \"$ROLE\" --role-session-name \"ci-$GITHUB_RUN_ID\" \\\n  \
         --duration-seconds \"$SECONDS_OF_JOB\" --web-identity-token \"$token\" --output json > \"$RUNNER_TEMP/role\"\n\
         for name in AccessKeyId:AWS_ACCESS_KEY_ID SecretAccessKey:AWS_SECRET_ACCESS_KEY SessionToken:AWS_SESSION_TOKEN; do\n  \
         value=$(jq -r \".Credentials.${name%%:*}\" \"$RUNNER_TEMP/role\")\n  \
         echo \"::add-mask::$value\"\n  \
         echo \"${name##*:}=$value\" >> \"$GITHUB_ENV\"\n\
         done\n\
         rm \"$RUNNER_TEMP/role\"\n";
    let region = github.aws_region.clone().unwrap_or_default();
    let (role, script) = match (&github.aws_role, &github.aws_role_variable) {
        (None, Some(name)) => {
            let unset = format!("set the variable {name} of this repository to the ARN of the role");
            (format!("${{{{ vars.{name} }}}}"), format!(": \"${{ROLE:?{unset}}}\"\n{script}"))
        }
        (role, _) => (role.clone().unwrap_or_default(), script.to_owned()),
    };
    let env = map([("ROLE", role.into()), ("AWS_REGION", region.into()), ("SECONDS_OF_JOB", seconds.into())]);
    map([("name", "Take the role in AWS".into()), ("env", env), ("run", script.into())])
}
