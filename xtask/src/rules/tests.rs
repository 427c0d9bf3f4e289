//! Every recorded error of both versions, and what the book makes of it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::time::Instant;

use expect_test::expect_file;

use super::diagnosis::findings;
use super::*;

const FIXTURES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/errors");
const VERSIONS: [(&str, &str); 3] = [("trixie", "2.26"), ("sid", "2.34"), ("old", "2.8")];

/// The recorded logs of one version by name.
fn samples(version: &str) -> BTreeMap<String, String> {
    let text = fs::read_to_string(format!("{FIXTURES}/{version}.txt")).unwrap();
    let parts = text.split("=== ").skip(1);
    parts
        .map(|it| it.split_once('\n').unwrap())
        .map(|(name, log)| (name.to_owned(), log.to_owned()))
        .collect()
}

fn told(log: &str) -> Vec<&'static str> {
    findings(&reader::read(log.as_bytes(), Instant::now())).iter().map(|it| it.rule.id).collect()
}

/// What is told of each sample, causes only. Read the change of this file as if you had made the mistakes.
#[test]
fn verdicts() {
    let mut res = String::from("# sample: what is told of it with Nix 2.26 and 2.34 (`-`: nothing)\n");
    let all: Vec<BTreeMap<String, String>> = VERSIONS.iter().map(|it| samples(it.0)).collect();
    let names: BTreeSet<&String> = all.iter().flat_map(BTreeMap::keys).collect();
    for name in names {
        let mut verdicts: Vec<String> = Vec::new();
        for (samples, (_, version)) in all.iter().zip(VERSIONS) {
            let Some(log) = samples.get(name) else { continue };
            let verdict = match told(log).join(", ") {
                it if it.is_empty() => "-".to_owned(),
                it => it,
            };
            verdicts.push(format!("{version} {verdict}"));
        }
        let same =
            verdicts.iter().map(|it| it.split_once(' ').unwrap().1).collect::<BTreeSet<_>>().len() == 1;
        let verdict = if same && verdicts.len() > 1 {
            verdicts[0].split_once(' ').unwrap().1.to_owned()
        } else {
            verdicts.join("; ")
        };
        res.push_str(&format!("{name}: {verdict}\n"));
    }
    expect_file![format!("{FIXTURES}/verdicts.txt")].assert_eq(&res);
}

/// Each rule's words are in each sample that was recorded to show it, in each version that is said to say so.
#[test]
fn every_rule_of_the_catalogue_knows_its_samples() {
    let all: BTreeMap<&str, BTreeMap<String, String>> =
        VERSIONS.iter().map(|it| (it.0, samples(it.0))).collect();
    let catalogue = fs::read_to_string(format!("{FIXTURES}/catalogue.txt")).unwrap();
    let mut broken = Vec::new();
    let mut shown: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for line in catalogue.lines().filter(|it| !it.starts_with('#')) {
        let (id, names) = line.split_once(": ").unwrap();
        let Some(rule) = named(id) else {
            broken.push(format!("no rule {id}"));
            continue;
        };
        for name in names.split(", ") {
            let (name, only) = name.split_once(':').map_or((name, None), |(name, it)| (name, Some(it)));
            for (version, number) in VERSIONS
                .iter()
                .filter(|it| only.map_or(it.0 != "old" || all["old"].contains_key(name), |only| only == it.0))
            {
                let logs = all[version].iter().filter(|(it, _)| {
                    *it == name || (name == "handcrafted-locks" && it.starts_with("lock: "))
                });
                let hit = logs.filter(|(_, log)| knows(rule, log)).count();
                if hit == 0 && name != "handcrafted-locks" && (only.is_some() || *version != "old")
                    || hit == 0 && *version != "old" && rule.seen.contains(number)
                {
                    broken.push(format!("{id} does not know {name} of {version}"));
                }
                if hit > 0 {
                    shown.entry(id).or_default().insert(number);
                }
            }
        }
    }
    for rule in super::all() {
        let seen: BTreeSet<&str> = rule.seen.split_whitespace().collect();
        if let Some(shown) = shown.get(rule.id).filter(|it| **it != seen) {
            broken.push(format!("{} was seen in {shown:?}, and says {seen:?}", rule.id));
        }
    }
    assert!(broken.is_empty(), "\n{}\n", broken.join("\n"));
}

/// Whether a rule matches anything in a log, be it a cause or not.
fn knows(rule: &Rule, log: &str) -> bool {
    let monitor = reader::read(log.as_bytes(), Instant::now());
    let texts = monitor.said.iter().flat_map(|it| [it.text.clone(), it.whole.clone()]);
    let lines = monitor.failures.iter().flat_map(|it| it.tail.clone());
    texts.chain(lines).any(|it| rule.matches(&it).is_some())
}

/// A run that went well needs no advice.
#[test]
fn good_runs_match_nothing() {
    let dir = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/logs");
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        let good = [
            "success",
            "uptodate",
            "bigcopy",
            "substitute",
            "phases",
            "remote-build",
            "buildwaiting",
            "multi",
        ];
        if good.iter().any(|it| name.starts_with(it)) {
            assert_eq!(told(&fs::read_to_string(&path).unwrap()), [] as [&str; 0], "{name}");
        }
    }
}

/// The book keeps its own form.
#[test]
fn the_book() {
    let ids: BTreeSet<&str> = all().map(|it| it.id).collect();
    assert_eq!(ids.len(), all().count(), "two rules with one name");
    for rule in all() {
        let Rule { id, says, cause, cure, .. } = *rule;
        assert!(!cause.is_empty() && !cure.is_empty(), "{id}");
        assert!(!cause.ends_with('.') && !cure.ends_with('.'), "{id}: no full stop");
        assert!(rule.explains.iter().all(|it| ids.contains(it)), "{id} explains what does not exist");
        for words in says {
            let holes = words::holes(words);
            for text in [cause, cure] {
                let used = text.split('{').skip(1).filter_map(|it| it.split_once('}')).map(|it| it.0);
                let used = used.map(|it| it.trim_end_matches(".short"));
                let names = used.filter(|it| !it.is_empty() && it.chars().all(|it| it.is_ascii_lowercase()));
                for name in names {
                    assert!(
                        holes.contains(&name) || text.contains(&format!("${{{name}}}")),
                        "{id}: `{name}` is not in `{words}`"
                    );
                }
            }
        }
    }
}

#[test]
fn the_page() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/errors.md");
    expect_file![path].assert_eq(&page::page());
}
