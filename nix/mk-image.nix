# A layered image for Linux: certificates, a user without rights, labels, and a time that is always the same, so
# that the same inputs give the same digest.
{
  dockerTools,
  elodinSource,
  elodinVersion,
  lib,
  stdenv,
}: {
  name,
  description,
  # Directories that belong to the user, from the root, without a slash in front.
  directories ? [],
  config,
}: let
  # A number of our own, so that a volume's files do not belong to somebody by accident.
  user = "2240";
in
  assert lib.assertMsg stdenv.hostPlatform.isLinux "images are for Linux; build image-${name} for ${stdenv.hostPlatform.linuxArch or "x86_64"}-linux";
  # Outside, because the builder takes no meta.
    lib.addMetaAttrs {
      inherit description;
      platforms = lib.platforms.linux;
    } (dockerTools.buildLayeredImage {
      name = "elodin/${name}";
      tag = elodinVersion;
      created = "1970-01-01T00:00:01Z";
      contents = [
        dockerTools.caCertificates
        (dockerTools.fakeNss.override {
          extraPasswdLines = ["elodin:x:${user}:${user}:elodin:/:/noshell"];
          extraGroupLines = ["elodin:x:${user}:"];
        })
      ];
      fakeRootCommands = lib.concatMapStrings (directory: ''
        install -d -o ${user} -g ${user} -m 750 ${lib.escapeShellArg directory}
      '') (map (it: "./${it}") directories);
      config =
        config
        // {
          User = "${user}:${user}";
          Env = ["SSL_CERT_FILE=/etc/ssl/certs/ca-bundle.crt"] ++ config.Env or [];
          Labels = {
            "org.opencontainers.image.title" = name;
            "org.opencontainers.image.description" = description;
            "org.opencontainers.image.version" = elodinVersion;
            # Of the packages' source. Only this small last layer is made again when it changes.
            "org.opencontainers.image.revision" = elodinSource.rev or "unknown";
            "org.opencontainers.image.source" = "https://github.com/elodin-sys/elodin";
          };
        };
    })
