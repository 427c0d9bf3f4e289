# What one crate of a Cargo workspace needs: the directories of its path crates, and its part of Cargo.lock.
#
# Cargo reads the manifest of every member and asks every source in the patch table before it builds anything. With
# all of Elodin's 45 members that means four git repositories and 1362 crates even for the smallest program, and a
# rebuild of it whenever any of them changes. So each package is built in a workspace of its own that has only what
# it reaches. All of it is read from the manifests while evaluating; nothing is built to know it.
{
  lib,
  root,
}: let
  manifestOf = directory: fromTOML (builtins.readFile "${root}/${directory}/Cargo.toml");
  rootManifest = fromTOML (builtins.readFile "${root}/Cargo.toml");
  lock = fromTOML (builtins.readFile "${root}/Cargo.lock");

  # "libs/db" and "../impeller2" is "libs/impeller2".
  join = base: path: let
    step = done: part:
      if part == "." || part == ""
      then done
      else if part == ".."
      then lib.init done
      else done ++ [part];
  in
    lib.concatStringsSep "/" (lib.foldl' step [] (lib.splitString "/" base ++ lib.splitString "/" path));

  dependencyTables = manifest:
    lib.concatMap (table: [
      (table.dependencies or {})
      (table.dev-dependencies or {})
      (table.build-dependencies or {})
    ]) ([manifest] ++ lib.attrValues (manifest.target or {}));

  pathOf = directory: name: dependency:
    if dependency ? path
    then [(join directory dependency.path)]
    else if dependency.workspace or false && rootManifest.workspace.dependencies.${name} ? path
    then [(join "" rootManifest.workspace.dependencies.${name}.path)]
    else [];

  pathDependencies = directory:
    lib.concatMap
    (table:
      lib.concatLists (lib.mapAttrsToList (name: dependency:
        if builtins.isAttrs dependency
        then pathOf directory name dependency
        else [])
      table))
    (dependencyTables (manifestOf directory));

  # A path crate is a member of the workspace, so its development dependencies count, too.
  reach = directories:
    map (it: it.key) (builtins.genericClosure {
      startSet = map (key: {inherit key;}) directories;
      operator = it: map (key: {inherit key;}) (pathDependencies it.key);
    });

  # The lock names a dependency with as much as makes it unique: name, name and version, or with the source as well.
  packagesByName = lib.groupBy (it: it.name) lock.package;
  resolve = dependency: let
    parts = lib.splitString " " dependency;
    version = lib.elemAt parts 1;
    fits = it: builtins.length parts < 2 || it.version == version;
    sourceFits = it: builtins.length parts < 3 || "(${it.source or ""})" == lib.elemAt parts 2;
  in
    lib.filter (it: fits it && sourceFits it) packagesByName.${lib.head parts};
  lockNode = package: {
    key = "${package.name} ${package.version} ${package.source or ""}";
    inherit package;
  };
  lockReach = names:
    map (it: it.package) (builtins.genericClosure {
      startSet = map lockNode (lib.concatMap (name: lib.filter (it: !(it ? source)) packagesByName.${name}) names);
      operator = it: map lockNode (lib.concatMap resolve (it.package.dependencies or []));
    });
in {
  # The workspace around the crate in `directory`: `directories`, `lock` and `manifest`, the parsed files as they
  # are to be, and `owns`, which of the directories a file belongs to.
  around = directory: let
    members = reach [directory];
    packages = lockReach (map (member: (manifestOf member).package.name) members);
    isLocked = lib.genAttrs (map (it: it.name) packages) (_: true);
    patches = lib.filterAttrs (name: _: isLocked ? ${name}) (rootManifest.patch.crates-io or {});
    patchDirectories = lib.concatMap (patch: lib.optional (patch ? path) patch.path) (lib.attrValues patches);
    directories = members ++ patchDirectories;
    # Where another crate of the source begins, a directory of ours ends.
    foreign = lib.subtractLists directories rootManifest.workspace.members;
    isIn = file: parent: lib.hasPrefix "${parent}/" file;
    longest = file: candidates: lib.foldl' lib.max 0 (map lib.stringLength (lib.filter (isIn file) candidates));
  in {
    inherit directories;
    owns = file: longest file directories > longest file foreign;
    leadsTo = parent: lib.any (it: it == parent || isIn it parent) directories;
    lock = lock // {package = packages;};
    manifest =
      rootManifest
      // {
        workspace = removeAttrs rootManifest.workspace ["exclude" "default-members"] // {inherit members;};
      }
      // lib.optionalAttrs (rootManifest ? patch) {patch.crates-io = patches;};
  };
}
