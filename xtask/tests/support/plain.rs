//! What differs from run to run and from machine to machine, replaced, so that snapshots hold.

use camino::Utf8Path;

use super::{cache, suite, system};

pub(crate) fn plain(text: &str, root: &Utf8Path, temp: &Utf8Path) -> String {
    let mut text = text.to_owned();
    for cache in [cache(), format!("{temp}/cache")] {
        let nix = format!("{cache}/elodin-xtask/nix/{}", suite());
        text = text.replace(&format!("{nix}-store"), "$STORE").replace(&format!("{nix}/bin/nix"), "$NIX");
    }
    let text =
        text.replace(root.as_str(), "$WORK").replace(temp.as_str(), "$TEMP").replace(&system(), "$SYSTEM");
    times(&logs(&hashes(&text)))
}

/// Store hashes, which depend on the Nix that made them.
fn hashes(text: &str) -> String {
    let mut res = String::new();
    for (n, part) in text.split("/nix/store/").enumerate() {
        if n > 0 {
            res.push_str("/nix/store/");
        }
        let hash = part.bytes().take_while(|it| it.is_ascii_lowercase() || it.is_ascii_digit()).count();
        match (n, hash) {
            (1.., 32) => res.push_str(&format!("HASH{}", &part[32..])),
            _ => res.push_str(part),
        }
    }
    res
}

/// The short hash in the name of a kept log.
fn logs(text: &str) -> String {
    let mut res = String::new();
    for line in text.split_inclusive('\n') {
        match line
            .split_once("target/xtask/logs/")
            .and_then(|(head, tail)| Some((head, tail.split_once(".log")?)))
        {
            Some((head, (name, rest))) => {
                let name = name.rsplit_once('-').map_or(name, |it| it.0);
                res.push_str(&format!("{head}target/xtask/logs/{name}-HASH.log{rest}"));
            }
            None => res.push_str(line),
        }
    }
    res
}

/// `0.4 s` becomes `T s`, and the blanks that align what follows become two.
fn times(text: &str) -> String {
    let mut res = String::new();
    for line in text.split_inclusive('\n') {
        let mut words: Vec<String> = line.split(' ').map(str::to_owned).collect();
        for n in 1..words.len() {
            let unit = words[n].trim_end().trim_end_matches([',', ';', ')']) == "s";
            if unit && words[n - 1].parse::<f64>().is_ok() {
                "T".clone_into(&mut words[n - 1]);
            }
        }
        res.push_str(&words.join(" "));
    }
    res
}
