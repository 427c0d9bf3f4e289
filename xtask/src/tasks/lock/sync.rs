//! `cargo xtask lock sync`

use anyhow::bail;
use camino::Utf8PathBuf;

use crate::context::Context;
use crate::locks::{self, Shared, State, changes};
use crate::plan::Step;
use crate::relock;
use crate::report::Report;
use crate::tasks::update;
use crate::workspace::Reference;

/// Make the inputs that several flakes share equal: to the newest revision that one of them has
///
/// Needs no newer revision than is locked already. All locks change or none. With --json: as `update`.
#[derive(Debug, Clone, Default, clap::Args)]
pub(crate) struct Sync {
    /// Only these inputs
    #[arg(value_name = "INPUT")]
    inputs: Vec<String>,
    /// Take the revisions of this flake, even if they are older
    #[arg(long, value_name = "DIR")]
    from: Option<Utf8PathBuf>,
}

/// What one flake gets: inputs and the URLs of their revisions.
type Wanted = Vec<(String, String)>;

impl Sync {
    pub(crate) fn run(self, cx: &mut Context) -> anyhow::Result<Report> {
        let before = locks::load(&cx.workspace);
        let all = relock::flakes(cx, &before, &[])?;
        relock::known_inputs(&before, &all, &self.inputs)?;
        let from = match &self.from {
            Some(dir) => relock::flakes(cx, &before, std::slice::from_ref(dir))?.first().copied(),
            None => None,
        };
        let wanted = self.wanted(cx, &before, from)?;
        let flakes: Vec<usize> = (0..before.len()).filter(|it| !wanted[*it].is_empty()).collect();
        let steps: Vec<(usize, Step)> = flakes
            .iter()
            .map(|it| {
                let flake = cx.flake_ref(*it);
                (*it, Step::Lock { flake, overrides: wanted[*it].clone() })
            })
            .collect();
        if cx.globals.dry_run {
            for (flake, step) in &steps {
                let settings = cx.settings(&[*flake], &[])?;
                cx.planned(step, &settings)?;
            }
            return Ok(Report::done());
        }
        let files = relock::lock_files(&before, &flakes);
        let after = relock::transact(cx, &files, |cx| {
            steps.iter().try_for_each(|(flake, step)| relock::run(cx, *flake, step))?;
            update::readable(cx)
        })?;
        let mut report = update::report(&changes::changes(&before, &after), None);
        if steps.is_empty() {
            report.notes = vec!["the flakes agree already; no lock changed".to_owned()];
        }
        Ok(report)
    }

    /// What each flake gets, by its place among all.
    fn wanted(&self, cx: &Context, states: &[State], from: Option<usize>) -> anyhow::Result<Vec<Wanted>> {
        let differ = &cx.workspace.manifest.lock.differ;
        let mut wanted: Vec<Wanted> = vec![Vec::new(); states.len()];
        for shared in locks::shared(states).iter().filter(|it| !it.agrees()) {
            let named = self.inputs.iter().any(|it| it == shared.name);
            if !named && (!self.inputs.is_empty() || differ.contains_key(shared.name)) {
                continue;
            }
            one(cx, states, shared, from, &mut wanted)?;
        }
        Ok(wanted)
    }
}

/// The flakes that get a shared input from another one.
fn one(
    cx: &Context,
    states: &[State],
    shared: &Shared<'_>,
    from: Option<usize>,
    wanted: &mut [Wanted],
) -> anyhow::Result<()> {
    let chosen = match from {
        Some(from) => shared.locked.iter().copied().find(|it| it.0 == from),
        None => shared.newest(),
    };
    let Some((leader, node)) = chosen else {
        let from = from.map(|it| states[it].dir.as_str()).unwrap_or_default();
        cx.ui.warning(&format!("`{}` stays as it is: `{from}` has no such input of its own", shared.name));
        return Ok(());
    };
    let Some(locked) = &node.locked else { return Ok(()) };
    let Some(url) = locked.pinned_url() else {
        bail!(
            "`{}` has no revision that could be shared; run `cargo xtask update {}`",
            shared.name,
            shared.name
        );
    };
    for (index, other) in &shared.locked {
        let same = other.locked.as_ref().is_some_and(|it| it.is_same_content(locked));
        let asks = |it: &Option<Reference>| it.clone().unwrap_or_default();
        if *index == leader || same {
            continue;
        }
        if !asks(&other.original).asks_for_the_same(&asks(&node.original)) {
            cx.ui.warning(&format!(
                "`{}` stays as it is in `{}`: it asks for {}, not {}; edit its URL in {}, then run `nix flake lock {}`",
                shared.name,
                states[*index].dir,
                asks(&other.original).to_url(),
                asks(&node.original).to_url(),
                states[*index].file("flake.nix"),
                states[*index].argument()
            ));
            continue;
        }
        wanted[*index].push((shared.name.to_owned(), url.clone()));
    }
    Ok(())
}
