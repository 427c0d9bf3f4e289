//! The formatter on what Alejandra 4.0.0 really writes, and on files as they are found on disks.
#![expect(clippy::unwrap_used, reason = "this whole crate is a test")]

use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::time::{Duration, SystemTime};

use camino::{Utf8Path, Utf8PathBuf};
use expect_test::{Expect, expect, expect_file};
use xtask::format::{self, Cache, Options, Outcome};

const LIMIT: Duration = Duration::from_mins(1);

/// What Alejandra 4.0.0 wrote for each input: made once with its own program, see the first line of the file.
fn cases() -> Vec<(&'static str, &'static str, &'static str)> {
    let text = include_str!("fixtures/format/alejandra-4.0.0.txt");
    let case = |block: &'static str| {
        let (name, rest) = block.split_once('\n').unwrap();
        let (input, output) = rest.split_once("---\n").unwrap();
        (name, input, output)
    };
    text.split("=== ").skip(1).map(case).collect()
}

#[test]
fn what_is_written_is_what_alejandra_4_writes() {
    let mut verdicts = String::new();
    for (name, input, output) in cases() {
        let verdict = match format::format_text(input.as_bytes(), LIMIT) {
            Outcome::Clean => {
                assert_eq!(input, output, "{name}");
                "as 4.0.0".to_owned()
            }
            Outcome::Changed { new } => {
                assert_eq!(new, output, "{name}");
                "as 4.0.0".to_owned()
            }
            Outcome::NeedsAlejandra4(spots) => format!("needs it: {}", spots[0]),
            other => panic!("{name}: {other:?}"),
        };
        writeln!(verdicts, "{name}: {verdict}").unwrap();
    }
    expect_file!["fixtures/format/verdicts.txt"].assert_eq(&verdicts);
}

#[test]
fn what_alejandra_4_wrote_is_left_alone() {
    // Here 4.0.0 changes its own text on the next run.
    let is_stable = |name: &str| name != "path in wide brackets as a value";
    for (name, _, output) in cases().into_iter().filter(|it| is_stable(it.0)) {
        let outcome = format::format_text(output.as_bytes(), LIMIT);
        assert!(matches!(outcome, Outcome::Clean | Outcome::NeedsAlejandra4(_)), "{name}: {outcome:?}");
    }
}

/// A directory with files in it, all older than the cache's two seconds.
struct Files {
    dir: tempfile::TempDir,
    options: Options,
    cache: Cache,
}

impl Files {
    fn new() -> Files {
        let dir = tempfile::tempdir().unwrap();
        let root = Utf8PathBuf::from_path_buf(dir.path().canonicalize().unwrap()).unwrap();
        let now = SystemTime::now() + Duration::from_mins(1);
        let options = Options { check: false, time_limit: LIMIT, threads: 2, root, now };
        Files { dir, options, cache: Cache::default() }
    }

    fn path(&self, name: &str) -> Utf8PathBuf {
        self.options.root.join(name)
    }

    fn write(&self, name: &str, content: impl AsRef<[u8]>) -> &Files {
        fs::create_dir_all(self.path(name).parent().unwrap()).unwrap();
        fs::write(self.path(name), content).unwrap();
        self
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }

    /// Runs and shows one line per report.
    fn run(&mut self, names: &[&str]) -> String {
        let paths: Vec<Utf8PathBuf> = names.iter().map(|it| self.path(it)).collect();
        let mut res = String::new();
        for report in format::run(&paths, &self.options, &mut self.cache) {
            let name = report.path.strip_prefix(&self.options.root).unwrap();
            let outcome = match &report.outcome {
                Outcome::Clean => "clean".to_owned(),
                Outcome::Changed { .. } => "changed".to_owned(),
                Outcome::NeedsAlejandra4(spots) => format!("needs alejandra 4: {}", spots[0]),
                Outcome::Refused(problem) => format!("refused: {problem}"),
                Outcome::Skipped(why) => format!("skipped: {why}"),
            };
            writeln!(res, "{name}: {outcome}").unwrap();
        }
        res.replace(self.options.root.as_str(), "<root>")
    }

    #[expect(clippy::needless_pass_by_value, reason = "so that a case is one line")]
    fn check(&mut self, names: &[&str], expect: Expect) {
        expect.assert_eq(&self.run(names));
    }

    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.dir.path()).unwrap();
        let mut res: Vec<String> = entries.map(|it| it.unwrap().file_name().into_string().unwrap()).collect();
        res.sort();
        res
    }
}

#[test]
fn each_bad_file_is_named_and_the_good_ones_are_formatted() {
    let mut files = Files::new();
    files.write("good.nix", "{a=1;}").write("clean.nix", "{a = 1;}\n").write("syntax.nix", "{\n  a = ;\n}\n");
    files
        .write("end.nix", "{ a = [ 1\n")
        .write("latin.nix", b"# gr\xfc\xdf\n1")
        .write("utf16.nix", b"\xff\xfe1\0");
    files.write("bom.nix", "\u{feff}1\n").write("crlf.nix", "{\r\n}\r\n").write("dir.nix/x", "");
    files.write("blanks.nix", "{a=''\n  b  \n  c\n'';}").write("tabs.nix", "{a=''\n\tb\n'';}");
    files.write("pipe.nix", "{\n  a = 1 |> b;\n}\n").write("deep.nix", "[".repeat(100_000));
    symlink("nowhere.nix", files.path("broken.nix")).unwrap();
    symlink("loop.nix", files.path("loop.nix")).unwrap();
    let names = [
        "good.nix",
        "clean.nix",
        "syntax.nix",
        "end.nix",
        "latin.nix",
        "utf16.nix",
        "bom.nix",
        "crlf.nix",
        "dir.nix",
        "blanks.nix",
        "tabs.nix",
        "pipe.nix",
        "deep.nix",
        "broken.nix",
        "loop.nix",
        "missing.nix",
    ];
    files.check(&names, expect![[r#"
        good.nix: changed
        clean.nix: clean
        syntax.nix: refused: 2:7: syntax error: unexpected `;`, expected `(`, `rec`, `{`, `[`, a string or a name
        end.nix: refused: 1:10: syntax error: unexpected end of file
        latin.nix: refused: 1:5: byte 0xfc is not UTF-8; convert the file, e.g. with `iconv -f ISO-8859-1 -t UTF-8`
        utf16.nix: refused: 1:1: this is UTF-16 (little endian); convert it with `iconv -f UTF-16 -t UTF-8`
        bom.nix: refused: 1:1: a byte order mark, which Nix does not accept; remove it with `sed -i '1s/^\xef\xbb\xbf//'`
        crlf.nix: refused: 1:2: the line ends in CR LF; convert the file with `sed -i 's/\r$//'`
        dir.nix: refused: a directory, not a Nix file
        blanks.nix: refused: 2:4: alejandra would change the text of this string: it strips the trailing blanks of the line; write them as ${" "} or remove them
        tabs.nix: refused: 1:4: alejandra would change the text of this string: it takes tabs and blanks that are no spaces for indentation; indent its lines with spaces
        pipe.nix: needs alejandra 4: 2:7: `|>`
        deep.nix: refused: 1:200: brackets are nested more than 200 deep; name parts with `let`
        broken.nix: refused: a broken link: `nowhere.nix` does not exist; remove the link or make its target
        loop.nix: refused: cannot follow the link to `loop.nix`: Too many levels of symbolic links (os error 40)
        missing.nix: refused: cannot read the file: No such file or directory (os error 2)
    "#]]);
    assert_eq!(files.read("good.nix"), "{a = 1;}\n");
    assert_eq!(files.read("blanks.nix"), "{a=''\n  b  \n  c\n'';}");
}

#[test]
fn check_writes_nothing() {
    let mut files = Files::new();
    files.options.check = true;
    files.write("a.nix", "{a=1;}");
    files.check(&["a.nix"], expect!["a.nix: changed\n"]);
    files.check(&["a.nix"], expect!["a.nix: changed\n"]);
    assert_eq!(files.read("a.nix"), "{a=1;}");
}

#[test]
fn mode_and_neighbours_are_kept_and_clean_files_are_not_touched() {
    let mut files = Files::new();
    files.write("a.nix", "{a=1;}").write("b.nix", "{b = 1;}\n");
    fs::set_permissions(files.path("a.nix"), fs::Permissions::from_mode(0o750)).unwrap();
    let inode = |files: &Files| fs::metadata(files.path("b.nix")).unwrap().ino();
    let before = inode(&files);
    files.check(&["a.nix", "b.nix"], expect!["a.nix: changed\nb.nix: clean\n"]);
    assert_eq!(fs::metadata(files.path("a.nix")).unwrap().mode() & 0o7777, 0o750);
    assert_eq!(inode(&files), before);
    assert_eq!(files.names(), ["a.nix", "b.nix"]);
}

#[test]
fn a_read_only_file_is_not_replaced() {
    let mut files = Files::new();
    files.write("a.nix", "{a=1;}");
    fs::set_permissions(files.path("a.nix"), fs::Permissions::from_mode(0o444)).unwrap();
    files.check(
        &["a.nix"],
        expect!["a.nix: refused: the file is read-only; allow writing with `chmod u+w`\n"],
    );
    assert_eq!(files.read("a.nix"), "{a=1;}");
}

#[test]
fn a_link_is_kept_and_its_target_formatted_once() {
    let mut files = Files::new();
    let outside = tempfile::NamedTempFile::with_suffix(".nix").unwrap();
    fs::write(outside.path(), "{a=1;}").unwrap();
    files.write("a.nix", "{a=1;}").write("hidden/c", "{c=1;}");
    symlink("a.nix", files.path("b.nix")).unwrap();
    symlink("hidden/c", files.path("c.nix")).unwrap();
    symlink("hidden/c", files.path("d.nix")).unwrap();
    symlink(outside.path(), files.path("out.nix")).unwrap();
    let res = files.run(&["b.nix", "a.nix", "a.nix", "c.nix", "d.nix", "out.nix"]);
    let res = res.replace(outside.path().to_str().unwrap(), "<outside>");
    expect![[r"
        a.nix: changed
        c.nix: changed
        out.nix: skipped: a link out of the workspace, to `<outside>`
    "]]
    .assert_eq(&res);
    assert_eq!(
        (files.read("a.nix"), files.read("hidden/c")),
        ("{a = 1;}\n".to_owned(), "{c = 1;}\n".to_owned())
    );
    assert!(["b.nix", "c.nix", "d.nix"].iter().all(|it| files.path(it).is_symlink()));
    assert_eq!(fs::read_to_string(outside.path()).unwrap(), "{a=1;}");
}

#[test]
fn what_takes_too_long_is_given_up_and_the_rest_is_done() {
    let mut files = Files::new();
    // Below the guard against nesting, but work for many seconds. A busy machine may let the others wait for one.
    files.write("slow.nix", format!("{}x\n1{}", "(f ".repeat(16), ")".repeat(16)));
    files.write("a.nix", "{a=1;}").write("b.nix", "{b=1;}");
    (files.options.threads, files.options.time_limit) = (1, Duration::from_secs(3));
    files.check(
        &["slow.nix", "a.nix", "b.nix"],
        expect![[r"
        slow.nix: refused: formatting takes longer than 3s: take nested brackets apart, e.g. with `let`
        a.nix: changed
        b.nix: changed
    "]],
    );
    assert_eq!(files.read("a.nix"), "{a = 1;}\n");
}

#[test]
fn a_clean_file_is_known_by_its_stamp_and_then_by_its_content() {
    let mut files = Files::new();
    files.write("a.nix", "{a = 1;}\n").write("p.nix", "a |> b\n");
    let both = ["a.nix", "p.nix"];
    files.check(&both, expect!["a.nix: clean\np.nix: needs alejandra 4: 1:1: `|>`\n"]);
    let path = files.path("target/xtask/fmt-cache");
    files.cache.save(&path).unwrap();

    // A cache that says something wrong of the file's content shows that nobody looks at it.
    let text = fs::read_to_string(&path).unwrap();
    let of = |name: &str| {
        let line = text.lines().find(|it| it.ends_with(name)).unwrap();
        line.split(' ').nth(1).unwrap().to_owned()
    };
    let (clean, pipe) = (of("a.nix"), of("p.nix"));
    fs::write(&path, text.replace(&format!("file {clean}"), &format!("file {pipe}"))).unwrap();
    files.cache = Cache::load(&path);
    files.check(&both, expect!["a.nix: needs alejandra 4: 1:1: `|>`\np.nix: needs alejandra 4: 1:1: `|>`\n"]);
    fs::write(&path, text).unwrap();
    files.cache = Cache::load(&path);
    files.check(&both, expect!["a.nix: clean\np.nix: needs alejandra 4: 1:1: `|>`\n"]);

    // The same content elsewhere is known too; other content is not.
    files.write("b.nix", "{a = 1;}\n").write("a.nix", "{a = 2 ;}\n");
    files.check(&["a.nix", "b.nix"], expect!["a.nix: changed\nb.nix: clean\n"]);
}

#[test]
fn a_damaged_cache_is_ignored_and_what_others_formatted_can_be_recorded() {
    let mut files = Files::new();
    let path = files.path("cache");
    fs::write(&path, "xtask fmt cache 1\nrubbish").unwrap();
    files.cache = Cache::load(&path);
    files.write("p.nix", "a |> b\n");
    files.cache.record_clean(b"a |> b\n");
    files.check(&["p.nix"], expect!["p.nix: clean\n"]);
    assert!(Cache::load(Utf8Path::new("/nonexistent/cache")).save(&path).is_ok());
}

#[test]
fn a_batch_gives_the_same_on_one_thread_and_on_many() {
    let mut files = Files::new();
    let names: Vec<String> = (0..50).map(|it| format!("{it}.nix")).collect();
    for (index, name) in names.iter().enumerate() {
        files.write(name, format!("{{a={index};}}{}", "\n".repeat(index)));
    }
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    files.options.check = true;
    let many = files.run(&names);
    files.options.threads = 1;
    assert_eq!(files.run(&names), many);
    assert_eq!(many.lines().count(), 50);
}

#[test]
fn meaning_is_checked_for_other_formatters_too() {
    assert!(format::same_meaning("a |> b", "a\n|> b\n").is_ok());
    let err = format::same_meaning("''\n  a \n  b''", "''\n  a\n  b''").unwrap_err();
    expect![[r#"2:4: alejandra would change the text of this string: it strips the trailing blanks of the line; write them as ${" "} or remove them"#]].assert_eq(&err.to_string());
    assert!(format::same_meaning("a", "a b").is_err());
    assert!(format::same_meaning("a", "(").is_err());
}
