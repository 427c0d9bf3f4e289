//! The texts of flakes: raw derivations, so that neither inputs nor network are needed.

/// A flake of packages. The nonce makes its derivations differ from those of other tests.
pub(crate) fn flake(nonce: &str, packages: &[(&str, &str)]) -> String {
    let package = |(name, script): &(&str, &str)| {
        format!("      {name} = mk \"{name}\" ''{}'';\n", script.replace("''", "'''"))
    };
    let packages: String = packages.iter().map(package).collect();
    format!(
        "{{\n  outputs = {{self}}: let\n    system = \"{}\";\n    mk = name: script:\n      derivation {{\n        \
         inherit name system;\n        nonce = \"{nonce}\";\n        builder = \"/bin/sh\";\n        \
         args = [\"-c\" script];\n        outputs = [\"out\"];\n        allowSubstitutes = false;\n        \
         preferLocalBuild = true;\n      }};\n    packages = rec {{\n{packages}    }};\n  in {{\n    \
         packages.${{system}} = packages;\n    checks.${{system}} = removeAttrs packages [\"default\"];\n  }};\n}}\n",
        system()
    )
}

/// A flake whose default dev shell has these attributes, and `shell-setup/setup` as its standard environment.
pub(crate) fn shell_flake(nonce: &str, attributes: &str) -> String {
    format!(
        "{{\n  outputs = _: {{\n    devShells.{0}.default = derivation {{\n      name = \"shell\";\n      \
         system = \"{0}\";\n      nonce = \"{nonce}\";\n      outputs = [\"out\"];\n      builder = \"/bin/bash\";\n      \
         allowSubstitutes = false;\n      preferLocalBuild = true;\n      \
         stdenv = builtins.path {{\n        path = ./shell-setup;\n        name = \"shell-setup\";\n      }};\n      \
         {attributes}\n    }};\n  }};\n}}\n",
        system()
    )
}

pub(crate) fn system() -> String {
    format!("{}-linux", std::env::consts::ARCH)
}
