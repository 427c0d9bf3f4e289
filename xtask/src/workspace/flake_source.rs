//! What a `flake.nix` says by itself: description, inputs and `nixConfig`, read without evaluation.

use std::collections::BTreeMap;

use camino::Utf8Path;
use rnix::ast::Expr;

use super::input_source::InputSource;
use super::nix_literal::{NixFile, Spot, offset, source_text};
use super::nix_value::{NixConfigValue, expr, path_literal, set, string, value};
use super::position::Position;

/// What a `flake.nix` says by itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FlakeSource {
    pub description: Option<String>,
    /// Those under `inputs`, and those that only `outputs` names as an argument.
    pub inputs: BTreeMap<String, InputSource>,
    pub nix_config: BTreeMap<String, NixConfigValue>,
}

impl FlakeSource {
    /// Reads the text of a `flake.nix`; `file` is what messages call it.
    pub fn parse(text: &str, file: &Utf8Path) -> anyhow::Result<FlakeSource> {
        let file = NixFile { text, name: file };
        let mut attributes = file.attributes()?;
        let mut source = FlakeSource::default();
        if let Some(spot) = attributes.remove("description") {
            source.description = Some(string(&file, &spot, "`description`")?);
        }
        if let Some(spot) = attributes.remove("inputs") {
            for (name, spot) in set(&file, spot, "`inputs`")? {
                source.inputs.insert(name.clone(), input(&file, &name, spot)?);
            }
        }
        if let Some(spot) = attributes.remove("nixConfig") {
            for (name, spot) in set(&file, spot, "`nixConfig`")? {
                let value = value(&file, &spot, &format!("`nixConfig.{name}`"))?;
                source.nix_config.insert(name, value);
            }
        }
        for (name, position) in attributes.get("outputs").map(|it| arguments(&file, it)).unwrap_or_default() {
            source
                .inputs
                .entry(name)
                .or_insert_with(|| InputSource { implicit: true, ..InputSource::at(position) });
        }
        Ok(source)
    }
}

impl InputSource {
    fn at(position: Position) -> InputSource {
        InputSource {
            url: None,
            flake: true,
            follows: None,
            inputs: BTreeMap::new(),
            attrs: BTreeMap::new(),
            implicit: false,
            position,
            url_position: None,
        }
    }
}

fn input(file: &NixFile<'_>, path: &str, spot: Spot) -> anyhow::Result<InputSource> {
    let mut input = InputSource::at(file.position(spot.offset));
    for (name, spot) in set(file, spot, &format!("the input `{path}`"))? {
        let what = format!("`{name}` of the input `{path}`");
        match name.as_str() {
            "url" => {
                // Nix 2.26 and later take a path beside strings.
                input.url = Some(match path_literal(&spot) {
                    Some(path) => format!("path:{path}"),
                    None => string(file, &spot, &what)?,
                });
                input.url_position = expr(&spot).map(|it| file.position(offset(it)));
            }
            "flake" => match value(file, &spot, &what)? {
                NixConfigValue::Bool(it) => input.flake = it,
                _ => {
                    return Err(file.error(spot.offset, &format!("{what} must be `true` or `false`")));
                }
            },
            "follows" => {
                let text = string(file, &spot, &what)?;
                input.follows =
                    Some(text.split('/').filter(|it| !it.is_empty()).map(str::to_owned).collect());
            }
            "inputs" => {
                for (name, spot) in set(file, spot, &what)? {
                    let inner = self::input(file, &format!("{path}/{name}"), spot)?;
                    input.inputs.insert(name, inner);
                }
            }
            _ => {
                let value = value(file, &spot, &what)?;
                input.attrs.insert(name, value);
            }
        }
    }
    Ok(input)
}

/// The names that `outputs = { a, b, … }: …` takes, but for `self`.
fn arguments(file: &NixFile<'_>, outputs: &Spot) -> Vec<(String, Position)> {
    let Some(Expr::Lambda(lambda)) = expr(outputs) else { return Vec::new() };
    let Some(rnix::ast::Param::Pattern(pattern)) = lambda.param() else { return Vec::new() };
    let idents = pattern.pat_entries().filter_map(|it| it.ident());
    let named = idents.map(|it| (source_text(&it), file.position(offset(&it))));
    named.filter(|(name, _)| name != "self").collect()
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use expect_test::{Expect, expect};

    use super::*;

    fn parse(text: &str) -> anyhow::Result<FlakeSource> {
        FlakeSource::parse(text, Utf8Path::new("aleph/flake.nix"))
    }

    fn show(into: &mut String, path: &str, input: &InputSource) {
        write!(into, "{path} at {}:", input.position).unwrap();
        if let (Some(url), Some(at)) = (&input.url, input.url_position) {
            write!(into, " url {url} at {at}").unwrap();
        }
        if let Some(follows) = &input.follows {
            write!(into, " follows {follows:?}").unwrap();
        }
        for (name, value) in &input.attrs {
            write!(into, " {name}={value:?}").unwrap();
        }
        let flags = [(!input.flake, " no flake"), (input.implicit, " implicit")];
        into.extend(flags.into_iter().filter(|it| it.0).map(|it| it.1));
        into.push('\n');
        for (name, inner) in &input.inputs {
            show(into, &format!("{path}/{name}"), inner);
        }
    }

    #[expect(clippy::needless_pass_by_value, reason = "expect! makes a value")]
    fn check(text: &str, expect: Expect) {
        let mut shown = String::new();
        for (name, input) in &parse(text).unwrap().inputs {
            show(&mut shown, name, input);
        }
        expect.assert_eq(&shown);
    }

    /// What is said about each text, a line for each.
    #[expect(clippy::needless_pass_by_value, reason = "expect! makes a value")]
    fn check_errors(texts: &[&str], expect: Expect) {
        let error = |text: &&str| format!("{:#}\n", parse(text).unwrap_err());
        expect.assert_eq(&texts.iter().map(error).collect::<String>());
    }

    #[test]
    fn inputs_in_every_spelling() {
        check(
            r#"{ inputs.nixpkgs.url = "github:NixOS/nixpkgs"; }"#,
            expect![[r#"
            nixpkgs at 1:10: url github:NixOS/nixpkgs at 1:24
        "#]],
        );
        check(
            r#"{ inputs = { a.url = "u"; b = { url = "v"; flake = false; }; }; }"#,
            expect![[r#"
            a at 1:14: url u at 1:22
            b at 1:27: url v at 1:39 no flake
        "#]],
        );
        check(
            "{ inputs.a.url = \"u\";\n  inputs = { b.url = \"v\"; };\n  inputs.b.flake = false; }",
            expect![[r#"
                a at 1:10: url u at 1:18
                b at 2:14: url v at 2:22 no flake
            "#]],
        );
        check(
            r#"{ inputs = { a.inputs = { b = { follows = "b"; }; }; }; inputs.a.inputs.c.inputs.d.follows = "x/y"; }"#,
            expect![[r#"
                a at 1:14:
                a/b at 1:27: follows ["b"]
                a/c at 1:73:
                a/c/d at 1:82: follows ["x", "y"]
            "#]],
        );
        check(
            r#"{ "inputs"."a-b".url = ''u''; inputs."c d" = { "url" = ("v"); }; }"#,
            expect![[r#"
            a-b at 1:12: url u at 1:24
            c d at 1:38: url v at 1:57
        "#]],
        );
    }

    #[test]
    fn odd_inputs() {
        check(
            r#"{ inputs.a = { type = "github"; owner = "o"; submodules = true; lastModified = 5; }; }"#,
            expect![[r#"
                a at 1:10: lastModified=Int(5) owner=String("o") submodules=Bool(true) type=String("github")
            "#]],
        );
        check(
            r#"{ inputs.a = {}; inputs.b.inputs.c.follows = ""; inputs.d.url = github:o/r; inputs.e.url = ../..; }"#,
            expect![[r#"
                a at 1:10:
                b at 1:25:
                b/c at 1:34: follows []
                d at 1:57: url github:o/r at 1:65
                e at 1:84: url path:../.. at 1:92
            "#]],
        );
        check(
            "# first\n/* äö */ rec { inputs.a.url = \"a\\\"b\"; }",
            expect![[r#"
            a at 2:23: url a"b at 2:31
        "#]],
        );
        check(
            r#"{ inputs.a.url = "u"; outputs = { self, a, nixpkgs, ... } @ inputs: {}; }"#,
            expect![[r#"
            a at 1:10: url u at 1:18
            nixpkgs at 1:44: implicit
        "#]],
        );
        check("{ outputs = inputs: import ./outputs.nix inputs; }", expect![""]);
    }

    #[test]
    fn description_and_config() {
        let source = parse(
            r#"{
              description = "Aleph";
              nixConfig.extra-substituters = [ "https://a" ("https://b") ];
              nixConfig = { allow-dirty = false; connect-timeout = 5; substituters = "https://c https://d"; hook = ./x; };
            }"#,
        );
        let source = source.unwrap();
        assert_eq!(source.description.as_deref(), Some("Aleph"));
        expect![[r#"
            {
                "allow-dirty": Bool(
                    false,
                ),
                "connect-timeout": Int(
                    5,
                ),
                "extra-substituters": List(
                    [
                        "https://a",
                        "https://b",
                    ],
                ),
                "hook": String(
                    "./x",
                ),
                "substituters": String(
                    "https://c https://d",
                ),
            }
        "#]]
        .assert_debug_eq(&source.nix_config);
        let words: Vec<&str> = source.nix_config["substituters"].words().collect();
        assert_eq!(words, ["https://c", "https://d"]);
    }

    #[test]
    fn what_nix_would_have_to_evaluate_is_an_error() {
        let texts = [
            "{\n  inputs.a.url = \"github:${x}\";\n}",
            r#"{ inputs.a.url = "a" + "b"; }"#,
            "{ inputs.a.url = ./${x}; }",
            "{ inputs = import ./inputs.nix; }",
            "{ inputs = { inherit (x) a; }; }",
            "{ inherit inputs; }",
            r#"{ inputs.${"a"}.url = "u"; }"#,
            "{ inputs.a.url = 5; }",
            "{ inputs.a.url.b = 5; }",
            r#"{ inputs.a.flake = "no"; }"#,
            r#"{ inputs.a = "github:o/r"; }"#,
            "{ nixConfig.cores = 1.5; }",
            "{ nixConfig.substituters = [ 5 ]; }",
            "{ nixConfig.cores = 99999999999999999999; }",
            "let x = 1; in { }",
        ];
        check_errors(
            &texts,
            expect![[r#"
                aleph/flake.nix:2:26: `url` of the input `a` must be a plain string; Nix allows no `${…}` here
                aleph/flake.nix:1:18: `url` of the input `a` must be a string literal; Nix evaluates nothing here
                aleph/flake.nix:1:18: `url` of the input `a` must be a string literal; Nix evaluates nothing here
                aleph/flake.nix:1:12: `inputs` must be an attribute set; Nix evaluates nothing here
                aleph/flake.nix:1:26: the input `a` must be written out; Nix allows no `inherit` here
                aleph/flake.nix:1:11: `inputs` must be written out; Nix allows no `inherit` here
                aleph/flake.nix:1:10: expected a plain name; a computed one cannot be read without evaluation
                aleph/flake.nix:1:18: `url` of the input `a` must be a string, not a number
                aleph/flake.nix:1:12: `url` of the input `a` must be a string, not an attribute set
                aleph/flake.nix:1:12: `flake` of the input `a` must be `true` or `false`
                aleph/flake.nix:1:14: the input `a` must be an attribute set; Nix evaluates nothing here
                aleph/flake.nix:1:21: `nixConfig.cores` must be a string, not a number
                aleph/flake.nix:1:30: each item of `nixConfig.substituters` must be a string, not a number
                aleph/flake.nix:1:21: `nixConfig.cores` is too large a number
                aleph/flake.nix:1:1: expected an attribute set; if this file is no flake, name it under `ignore` in xtask.toml
            "#]],
        );
    }

    #[test]
    fn what_is_not_nix_is_an_error() {
        let texts = [
            "",
            "{\n  inputs.a.url = \"u\"\n  outputs = _: {};\n}",
            "{\n  inputs = {\n",
            "{ } }",
            "<<<<<<< HEAD\n{ }",
            "{ inputs.a.url = \"u\";\n  inputs.a.url = \"v\"; }",
            "{ inputs.a = { url = \"u\"; };\n  inputs = { a.url = \"v\"; }; }",
            &format!("{{ inputs{} = 1; }}", ".a".repeat(100)),
        ];
        check_errors(
            &texts,
            expect![[r#"
            aleph/flake.nix:1:1: syntax error: the file ends too early
            aleph/flake.nix:3:11: syntax error: expected `;` before this
            aleph/flake.nix:2:13: syntax error: the file ends too early
            aleph/flake.nix:1:5: syntax error: this is not expected here
            aleph/flake.nix:1: merge conflict (`<<<<<<<`); edit the file to resolve it
            aleph/flake.nix:2:12: `url` is defined twice; the other one is at 1:12
            aleph/flake.nix:2:16: `url` is defined twice; the other one is at 1:16
            aleph/flake.nix:1:3: too deeply nested
        "#]],
        );
    }

    #[test]
    fn deep_nesting_is_an_error() {
        let nested =
            |open: &str, close: &str| format!("{{\n a = {}1{}; }}", open.repeat(5000), close.repeat(5000));
        let texts = [nested("[", "]"), nested("(", ")"), nested("a ++ ", ""), nested("!", "")];
        check_errors(
            &texts.each_ref().map(String::as_str),
            expect![[r#"
            aleph/flake.nix:2:506: too deeply nested
            aleph/flake.nix:2:10010: syntax error: too deeply nested
            aleph/flake.nix:2:5008: too deeply nested
            aleph/flake.nix:2:1006: too deeply nested
        "#]],
        );
    }

    #[test]
    fn a_file_cut_anywhere_is_never_a_panic() {
        let text =
            r#"{ inputs = { a.url = "äö${x}"; "b" = { flake = false; }; }; nixConfig.x = [ 1 ''y'' ]; }"#;
        let mut cuts = text.char_indices().map(|(at, _)| at);
        assert_eq!(cuts.find(|at| parse(&text[..*at]).is_ok()), None);
    }
}
