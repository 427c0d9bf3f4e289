# Who listens where: two services on one port are an error of the configuration and not a surprise at boot.
{
  config,
  lib,
  ...
}: let
  inherit (lib) types;
  byPort = lib.groupBy (name: let
    it = config.aleph.ports.${name};
  in "${it.protocol} ${toString it.port}") (lib.attrNames config.aleph.ports);
  shared = lib.filterAttrs (_: names: lib.length names > 1) byPort;
in {
  options.aleph.ports = lib.mkOption {
    type = types.attrsOf (types.submodule {
      options = {
        port = lib.mkOption {
          type = types.port;
          example = 2240;
          description = "The port that is listened on.";
        };
        protocol = lib.mkOption {
          type = types.enum ["tcp" "udp"];
          default = "tcp";
          example = "udp";
          description = "The protocol.";
        };
      };
    });
    default = {};
    internal = true;
    example = {elodin-db.port = 2240;};
    description = "The ports that services of this system listen on, by the name of who does.";
  };

  config.assertions =
    lib.mapAttrsToList (port: names: {
      assertion = false;
      message = "${lib.concatStringsSep " and " names} listen on the same port (${port}); give one of them another";
    })
    shared;
}
