//! What is said of flakes, and of the git trees that they are in.

use super::{ERROR, On, Rule};

pub(super) const RULES: &[Rule] = &[
    Rule {
        id: "lfs-pointer",
        says: &["version https://git-lfs.github.com/spec/v1"],
        cause: "a file of the repository is only a pointer of git-lfs: the content was not fetched, and Nix copies the pointer",
        cure: "run `git lfs install && git lfs pull`; for a flake that others fetch, set `inputs.self.lfs = true` in flake.nix",
        facts: "which tracked files are pointers",
        explains: &["undefined-variable", "syntax-error"],
        ..ERROR
    },
    Rule {
        id: "git-untracked",
        says: &[
            "Path '{file}' in the repository '{repo}' is not tracked by Git.",
            "path '{}-source/{file}' does not exist",
            "opening file '{}-source/{file}': No such file or directory",
        ],
        cause: "git does not know `{file}`, so Nix cannot see it",
        cure: "run `git add --intent-to-add {file}`",
        facts: "whether the file is there, and unknown to git: 2.26 says the same of a file that does not exist, and then there is no hint",
        ..ERROR
    },
    Rule {
        id: "git-submodule",
        says: &[],
        seen: "",
        source: "nobody: it is told in place of `git-untracked`",
        cause: "`{file}` is in the submodule `{module}`, and Nix leaves submodules out unless the flake asks for them",
        cure: "set `inputs.self.submodules = true` in flake.nix (Nix 2.27 or newer), or name the flake with `?submodules=1`",
        facts: "chosen instead of `git-untracked` where .gitmodules names the directory",
        ..ERROR
    },
    Rule {
        id: "git-file-missing",
        says: &["Path '{file}' does not exist in Git repository '{repo}'"],
        seen: "2.34",
        cause: "`{file}` is not in the work tree: it was deleted or renamed, or the reference to it is wrong",
        cure: "restore it (`git checkout -- {file}`), or correct the reference",
        ..ERROR
    },
    Rule {
        id: "git-ownership",
        says: &[
            "repository path '{dir}' is not owned by current user",
            "detected dubious ownership in repository at '{dir}'",
        ],
        cause: "`{dir}` belongs to another user, and git does not trust such a repository",
        cure: "own it (`sudo chown -R \"$USER\" {dir}`), or trust it: `git config --global --add safe.directory {dir}`",
        ..ERROR
    },
    Rule {
        id: "git-rev-missing",
        says: &["getting Git object '{rev}': object not found"],
        cause: "the lock names the revision {rev}, which is not in the repository: it was never pushed, or rewritten",
        cure: "push the revision, or lock another one: `cargo xtask update INPUT`",
        ..ERROR
    },
    Rule {
        id: "dirty-not-allowed",
        says: &["^Git tree '{dir}' is dirty"],
        cause: "`{dir}` has changes that are not committed, and `allow-dirty = false` is set",
        cure: "commit or stash them (`git -C {dir} status`)",
        facts: "the file and line that sets `allow-dirty`",
        ..ERROR
    },
    Rule {
        id: "no-flake-nix",
        says: &[
            "could not find a flake.nix file",
            "is not part of a flake (neither it nor its parent directories contain a 'flake.nix' file)",
        ],
        cause: "there is no flake.nix here, nor in the directories above",
        cure: "go to the flake's directory, or name it: `cargo xtask -C DIR …`",
        ..ERROR
    },
    Rule {
        id: "attr-missing-flake",
        says: &["flake '{flake}' does not provide attribute {attr}"],
        cause: "the flake `{flake}` has no {attr}",
        cure: "see what it has: `nix flake show {flake}`",
        facts: "the systems that do have the attribute",
        ..ERROR
    },
    Rule {
        id: "flakeref-unsupported",
        says: &["input '{input}' is unsupported"],
        cause: "`{input}` is no reference to a flake that this Nix understands",
        cure: "write it as `github:OWNER/REPO`, `git+https://…`, `git+ssh://…` or `path:…`",
        ..ERROR
    },
    Rule {
        id: "registry-miss",
        says: &["cannot find flake 'flake:{name}' in the flake registries"],
        cause: "`{name}` is neither an input with a URL nor a name in the flake registry",
        cure: "say where it is, in flake.nix: `inputs.{name}.url = \"…\";`",
        ..ERROR
    },
    Rule {
        id: "flake-attr-unsupported",
        says: &["flake '{flake}' has an unsupported attribute '{attr}'"],
        cause: "a flake has only `description`, `inputs`, `outputs` and `nixConfig` at its top; `{attr}` is none of them",
        cure: "move `{attr}` into `outputs`",
        ..ERROR
    },
    Rule {
        id: "flake-not-attrset",
        says: &["file '{file}' must be an attribute set"],
        cause: "flake.nix must be a literal set: Nix reads its inputs without evaluating it, so no `let`, no function around it",
        cure: "move the `let` into `outputs`",
        ..ERROR
    },
    Rule {
        id: "untrusted-flake-config",
        on: On::Warning,
        says: &["ignoring untrusted flake configuration setting '{setting}'"],
        cause: "the flake's `nixConfig` sets `{setting}`, and nobody has accepted that",
        cure: "put the cache into `[cache]` of xtask.toml, so that xtask accepts what equals it; by hand: `--accept-flake-config`",
        explains: &["no-substituter"],
        ..ERROR
    },
];
