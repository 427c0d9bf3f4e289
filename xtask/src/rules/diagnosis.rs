//! From what was said in a run to the rules that apply: causes first, and what only follows from them left out.

use super::words::Holes;
use super::{On, Rule, all};
use crate::monitor::{Kind, Monitor, Said};

/// As many of a builder's last lines may tell why it failed: what stands before is often harmless.
const LAST_LINES: usize = 25;

/// Nobody tells a reason in a longer line.
const LONGEST_LINE: usize = 10_000;

const DOWNLOAD: &str = "unable to download '";

/// A rule, and where it applies.
#[derive(Debug, Clone)]
pub struct Finding {
    pub rule: &'static Rule,
    pub holes: Holes,
    /// The derivation that it is about.
    pub drv: Option<String>,
    /// The message that it was found in, with the way there.
    pub text: String,
    of_error: bool,
}

/// What the book knows of a run, the causes only.
#[must_use]
pub fn findings(monitor: &Monitor) -> Vec<Finding> {
    let mut found: Vec<Finding> = Vec::new();
    let mut add = |it: Vec<Finding>| {
        for it in it {
            let known = found.iter_mut().find(|old| old.rule.id == it.rule.id && old.holes == it.holes);
            match known {
                Some(old) => old.of_error |= it.of_error,
                None => found.push(it),
            }
        }
    };
    for failure in &monitor.failures {
        add(in_log(&failure.tail, Some(&failure.drv), &failure.said));
    }
    for said in &monitor.said {
        add(in_message(said));
    }
    let failed = monitor.said.iter().any(|it| it.kind == Kind::Error);
    causes(&found, failed)
}

/// What the book knows of one error.
#[must_use]
pub fn findings_in(error: &str) -> Vec<Finding> {
    let said = Said { kind: Kind::Error, text: error.to_owned(), whole: error.to_owned() };
    let mut monitor = Monitor::default();
    monitor.said.push(said);
    findings(&monitor)
}

/// What the book knows of what ssh, or Nix over ssh, said last.
#[must_use]
pub fn findings_in_talk(talk: &str) -> Vec<Finding> {
    let mut monitor = Monitor::default();
    monitor.said.push(Said { kind: Kind::Talk, text: talk.to_owned(), whole: talk.to_owned() });
    findings(&monitor)
}

fn in_message(said: &Said) -> Vec<Finding> {
    let (head, tail) = parts(&said.text);
    let wanted = |it: &&Rule| match said.kind {
        Kind::Error => matches!(it.on, On::Error | On::Talk),
        Kind::Warning => matches!(it.on, On::Warning | On::Talk),
        Kind::Talk => it.on == On::Talk,
    };
    let of = |text: &str| -> Vec<Finding> {
        let matching = all().filter(wanted).filter_map(|rule| {
            let holes = rule.matches(text)?;
            let drv = holes.get("drv").cloned();
            Some(Finding { rule, holes, drv, text: said.whole.clone(), of_error: said.kind == Kind::Error })
        });
        // ssh and the build hook say several things in a row; a message of Nix is about one thing.
        if said.kind == Kind::Talk { matching.collect() } else { matching.take(1).collect() }
    };
    let mut res = of(&head);
    if res.is_empty() && said.whole != said.text {
        res = of(&parts(&said.whole).0);
    }
    if said.kind == Kind::Error {
        let drv = res.first().and_then(|it| it.drv.clone());
        res.splice(0..0, in_log(&tail, drv.as_deref(), &head));
    }
    res
}

/// What the last lines of a builder tell of its failure.
fn in_log(lines: &[String], drv: Option<&str>, said: &str) -> Vec<Finding> {
    let last = &lines[lines.len().saturating_sub(LAST_LINES)..];
    let last: Vec<&String> = last.iter().filter(|it| it.len() < LONGEST_LINE).collect();
    let find = |rule: &'static Rule| {
        let (line, holes) = last.iter().rev().find_map(|it| Some(((*it).clone(), rule.matches(it)?)))?;
        // Programs that are looked for and not found are harmless, unless it is the shell that ends by it.
        if rule.id == "command-not-found" && !said.contains("exit code 127") {
            return None;
        }
        let drv = drv.map(str::to_owned);
        Some(Finding { rule, holes, drv, text: line, of_error: true })
    };
    // `fetchurl` is a builder of Nix's own, and reports as Nix does.
    let here = |it: &&Rule| {
        it.on == On::Log || it.id == "lfs-pointer" || it.says.iter().any(|it| it.starts_with(DOWNLOAD))
    };
    all().filter(here).find_map(find).into_iter().collect()
}

/// What Nix says itself, and the lines of a builder that it cites.
fn parts(text: &str) -> (String, Vec<String>) {
    let cited = |it: &&str| it.trim_start().starts_with("> ") || it.trim() == ">";
    let head = text.lines().take_while(|it| !it.trim_end().ends_with("log lines:") && !cited(it));
    let tail = text.lines().filter(cited).map(|it| it.trim_start()[1..].trim().to_owned());
    (head.collect::<Vec<_>>().join("\n"), tail.collect())
}

fn causes(found: &[Finding], failed: bool) -> Vec<Finding> {
    let about_the_same = |a: &Finding, b: &Finding| match (&a.drv, &b.drv) {
        (Some(a), Some(b)) => a == b,
        _ => true,
    };
    let consequence = |it: &Finding| {
        let explained = |by: &Finding| by.rule.explains.contains(&it.rule.id) && about_the_same(by, it);
        // What waited for a failure is never news beside it.
        let waited = it.rule.id == "dependency-failed"
            && found.iter().any(|by| by.rule.id != it.rule.id && by.of_error);
        waited || found.iter().any(explained)
    };
    // A warning beside an error is told only when it explains it.
    let beside_the_point = |it: &Finding| {
        let explains = |other: &Finding| it.rule.explains.contains(&other.rule.id) && other.of_error;
        failed && it.rule.on == On::Warning && !it.of_error && !found.iter().any(explains)
    };
    found.iter().filter(|it| !consequence(it) && !beside_the_point(it)).cloned().collect()
}
