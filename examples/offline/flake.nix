{
  description = "Elodin's Nix world in miniature: no inputs, so every verb works without network";

  outputs = _: let
    systems = ["x86_64-linux" "aarch64-linux" "x86_64-darwin" "aarch64-darwin"];
    eachSystem = f:
      builtins.listToAttrs (map (name: {
          inherit name;
          value = f name;
        })
        systems);
    world = eachSystem (system: import ./nix {inherit system;});
  in {
    packages = eachSystem (system: world.${system}.packages);
    checks = eachSystem (system: world.${system}.checks);
    devShells = eachSystem (system: {default = world.${system}.shell;});
    nixosConfigurations = import ./aleph {inherit world;};
  };
}
