# Attitude and position as text over the picture that a video transmitter sends.
{
  config,
  lib,
  pkgs,
  ...
}: let
  inherit (lib) types;
  cfg = config.services.msp-osd;
  service = import ../service.nix {inherit config lib;};
  configFile = "/etc/msp-osd/config.toml";
  package = lib.getExe cfg.package;

  mkIndex = default: meaning:
    lib.mkOption {
      type = types.ints.unsigned;
      inherit default;
      example = default;
      description = "Where ${meaning} is in the component's array.";
    };
  mkComponent = default:
    lib.mkOption ({
        type = types.str;
        example = "bdx.world_pos";
        description = "The component of the database.";
      }
      // lib.optionalAttrs (default != null) {inherit default;});
  vector = first: {
    component = mkComponent "aleph.Output";
    x = mkIndex first "x";
    y = mkIndex (first + 1) "y";
    z = mkIndex (first + 2) "z";
  };
in {
  options.services.msp-osd = {
    enable = lib.mkEnableOption "the on-screen display over MSP DisplayPort";
    package = lib.mkPackageOption pkgs ["aleph" "msp-osd"] {};
    inherit (service.options) autostart;
    mode = lib.mkOption {
      type = types.enum ["serial" "debug"];
      default = "serial";
      example = "debug";
      description = "Whether it draws on the video transmitter or, to look at it, in a terminal.";
    };
    dbHost = lib.mkOption {
      type = types.str;
      default = "127.0.0.1";
      example = "10.224.0.1";
      description = "Host of the database.";
    };
    dbPort = lib.mkOption {
      type = types.port;
      default = 2240;
      example = 2241;
      description = "Port of the database.";
    };
    osdRows = lib.mkOption {
      type = types.ints.between 1 255;
      default = 18;
      example = 16;
      description = "Rows of text.";
    };
    osdCols = lib.mkOption {
      type = types.ints.between 1 255;
      default = 50;
      example = 30;
      description = "Columns of text.";
    };
    refreshRateHz = lib.mkOption {
      type = types.numbers.positive;
      default = 20.0;
      example = 10.0;
      description = "How often it draws, in Hz.";
    };
    coordinateFrame = lib.mkOption {
      type = types.enum ["enu" "ned"];
      default = "enu";
      example = "ned";
      description = "What the axes are: east, north, up as in simulations, or north, east, down as in aviation.";
    };
    charAspectRatio = lib.mkOption {
      type = types.numbers.positive;
      default = 1.5;
      example = 2.0;
      description = "Height of a character by its width: 1.5 for HD goggles, 2.0 for analogue ones.";
    };
    pitchScale = lib.mkOption {
      type = types.numbers.positive;
      default = 5.0;
      example = 4.0;
      description = "Degrees of pitch for each row, about the camera's vertical field of view by the rows.";
    };
    serialPort = lib.mkOption {
      type = types.strMatching "/dev/.+";
      default = "/dev/ttyTHS7";
      example = "/dev/ttyUSB0";
      description = "The serial device of the video transmitter.";
    };
    baudRate = lib.mkOption {
      type = types.ints.positive;
      default = 115200;
      example = 57600;
      description = "Its speed.";
    };
    autoRecord = lib.mkOption {
      type = types.bool;
      default = false;
      example = true;
      description = "Whether the transmitter starts to record when the display starts.";
    };
    extraArgs = service.options.extraArgs "msp-osd";
    inputs = {
      position = vector 14;
      orientation = {
        component = mkComponent "aleph.Output";
        qx = mkIndex 0 "the quaternion's x";
        qy = mkIndex 1 "the quaternion's y";
        qz = mkIndex 2 "the quaternion's z";
        qw = mkIndex 3 "the quaternion's scalar";
      };
      # The turn rates, as a stand-in: without GPS there is no velocity to show.
      velocity = vector 7;
      target = lib.mkOption {
        type = types.nullOr (types.submodule {
          options = {
            component = mkComponent null;
            x = mkIndex 4 "x";
            y = mkIndex 5 "y";
            z = mkIndex 6 "z";
          };
        });
        default = null;
        example = {component = "target.world_pos";};
        description = "The position of something to follow.";
      };
    };
  };

  config = lib.mkIf cfg.enable {
    environment = {
      systemPackages = [
        cfg.package
        (pkgs.writeShellApplication {
          name = "msp-osd-debug";
          text = ''
            exec ${package} --config ${configFile} --mode debug "$@"
          '';
          meta.description = "Show the on-screen display in this terminal";
        })
      ];
      etc."msp-osd/config.toml".source = (pkgs.formats.toml {}).generate "msp-osd.toml" {
        db = {
          host = cfg.dbHost;
          port = cfg.dbPort;
        };
        osd = {
          rows = cfg.osdRows;
          cols = cfg.osdCols;
          refresh_rate_hz = cfg.refreshRateHz;
          coordinate_frame = cfg.coordinateFrame;
          char_aspect_ratio = cfg.charAspectRatio;
          pitch_scale = cfg.pitchScale;
        };
        serial = {
          port = cfg.serialPort;
          baud = cfg.baudRate;
          auto_record = cfg.autoRecord;
        };
        # TOML has no null: what is not there is left out.
        inputs = lib.filterAttrs (_: input: input != null) cfg.inputs;
      };
    };

    # So that a person in dialout can try it by hand, too.
    services.udev.extraRules = lib.mkIf (cfg.mode == "serial") ''
      KERNEL=="ttyTHS[0-9]*", GROUP="dialout", MODE="0660"
    '';

    systemd.services.msp-osd = service.client {
      description = "On-screen display";
      inherit (cfg) autostart;
      restartTriggers = [config.environment.etc."msp-osd/config.toml".source];
      environment.RUST_LOG = lib.mkDefault "info";
      command = [package "--config" configFile "--mode" cfg.mode] ++ cfg.extraArgs;
      serviceConfig = {
        SupplementaryGroups = ["dialout"];
        DevicePolicy = "closed";
        DeviceAllow = ["${cfg.serialPort} rw"];
      };
    };
  };
}
