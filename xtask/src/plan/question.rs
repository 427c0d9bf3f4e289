//! What is asked of a flake, as Nix expressions that answer in JSON.

use super::Step;
use crate::host::System;

/// All packages of one flake for one system, robust against attributes that throw: those are `broken`. `main` is
/// the program that `run` starts.
#[must_use]
pub fn inventory(flake: &str, set: &str) -> Step {
    Step::Eval { installable: format!("{flake}#.{set}"), apply: INVENTORY }
}

/// What there is to know of a derivation `d`. Its paths are wanted as text, not as something to build.
macro_rules! describe {
    () => {
        "(d: let plain = builtins.unsafeDiscardStringContext; \
           name = (builtins.parseDrvName d.name).name; \
           main = builtins.tryEval (d.meta.mainProgram or d.pname or name); \
           out = o: { name = o; value = plain d.${o}.outPath; }; \
         in { \
           drv = plain d.drvPath; \
           system = d.system; \
           main = if main.success then main.value else name; \
           outs = builtins.listToAttrs (map out (d.outputs or [ \"out\" ])); \
           first = d.outputName or \"out\"; \
         })"
    };
}

const INVENTORY: &str = concat!(
    "ps: builtins.mapAttrs (n: d: let \
       ok = builtins.tryEval (d.type or null == \"derivation\" && builtins.isString d.drvPath); \
     in if ok.success && ok.value then ",
    describe!(),
    " d else { broken = true; }) ps"
);

const SINGLE: &str = describe!();

/// Only the names, where the attributes cannot be evaluated together.
#[must_use]
pub fn names(flake: &str, set: &str) -> Step {
    Step::Eval { installable: format!("{flake}#.{set}"), apply: "builtins.attrNames" }
}

/// The NixOS configurations that make a disk image.
#[must_use]
pub fn with_image(flake: &str) -> Step {
    let apply = "cs: builtins.filter (n: let it = builtins.tryEval (cs.${n}.config.system.build ? sdImage); \
                 in it.success && it.value) (builtins.attrNames cs)";
    Step::Eval { installable: format!("{flake}#.nixosConfigurations"), apply }
}

/// The names of all packages, by system.
#[must_use]
pub fn all_names(flake: &str) -> Step {
    let apply = "ps: builtins.mapAttrs (system: builtins.attrNames) ps";
    Step::Eval { installable: format!("{flake}#.packages"), apply }
}

/// An attribute name as Nix wants it in an attribute path.
#[must_use]
pub fn attr_name(name: &str) -> String {
    if name.contains('.') { format!("\"{name}\"") } else { name.to_owned() }
}

/// The same answer as [`inventory`] for one attribute.
#[must_use]
pub fn single(flake: &str, attr: &str) -> Step {
    Step::Eval { installable: format!("{flake}#{attr}"), apply: SINGLE }
}

/// The attribute set in which Nix looks a package up.
#[must_use]
pub fn package_set(system: &System) -> String {
    format!("packages.{system}")
}

/// A question to all outputs of a flake: what `ask` says of the value at each path, in their order.
fn at_each(paths: &[&[String]], ask: &str) -> String {
    let list = |it: &[String]| format!("[{}]", it.iter().map(|it| text(it)).collect::<Vec<_>>().join(" "));
    let paths: Vec<String> = paths.iter().map(|it| list(it)).collect();
    format!(
        "outputs: let ask = {ask}; in map (path: ask (builtins.foldl' (set: name: set.${{name}}) outputs path)) [{}]",
        paths.join(" ")
    )
}

/// A string of Nix.
fn text(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"").replace("${", "\\${"))
}

/// The names in the sets at these paths of a flake; `null` where there is no set.
#[must_use]
pub fn names_at(flake: &str, paths: &[&[String]]) -> Step {
    let ask = "v: let r = builtins.tryEval (builtins.attrNames v); in if r.success then r.value else null";
    Step::EvalFlake { flake: flake.to_owned(), apply: at_each(paths, ask) }
}

/// The derivations at these paths of a flake. Where one throws: `null`, or when only one is asked for, its error.
#[must_use]
pub fn derivations_at(flake: &str, paths: &[&[String]]) -> Step {
    let describe = "d: if d.type or null != \"derivation\" then throw \"this is no derivation\" else { \
         drv = builtins.unsafeDiscardStringContext d.drvPath; \
         inherit (d) system; \
         outs = builtins.listToAttrs (map (o: { \
           name = o; value = builtins.unsafeDiscardStringContext d.${o}.outPath; }) (d.outputs or [ \"out\" ])); \
       }";
    let robust = "d: let r = builtins.tryEval (let v = describe d; in builtins.seq v.drv v); \
       in if r.success then r.value else null";
    let ask = match paths {
        [_] => describe.to_owned(),
        _ => format!("let describe = {describe}; in {robust}"),
    };
    Step::EvalFlake { flake: flake.to_owned(), apply: at_each(paths, &ask) }
}

/// The names of all that can be built, by kind: for what has systems an object by system.
#[must_use]
pub fn all_outputs(flake: &str, kinds: &[&str], plain: &str) -> Step {
    let kinds: Vec<String> = kinds.iter().map(|it| text(it)).collect();
    let apply = format!(
        "outputs: let names = builtins.mapAttrs (_: builtins.attrNames); \
           has = builtins.filter (kind: outputs ? ${{kind}}) [{}]; \
         in builtins.listToAttrs (map (kind: {{ name = kind; value = names outputs.${{kind}}; }}) has) \
           // {{ {plain} = {{ all = builtins.attrNames (outputs.{plain} or {{ }}); }}; }}",
        kinds.join(" ")
    );
    Step::EvalFlake { flake: flake.to_owned(), apply }
}
