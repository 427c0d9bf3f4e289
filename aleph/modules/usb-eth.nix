# Ethernet over the right-most USB-C port: the board is 10.224.0.1 and fde1:2240:a1ef::1, and gives its host addresses.
{
  boot = {
    # The gadget's driver is in the kernel, so it takes its addresses from the command line.
    kernelParams = [
      "g_ncm.dev_addr=ee:a1:ef:ee:a1:ef"
      "g_ncm.host_addr=ee:a1:ef:ae:a1:ef"
    ];
    # radvd advertises only where one could be a router.
    kernel.sysctl."net.ipv6.conf.all.forwarding" = true;
  };

  networking.interfaces.usb0 = {
    useDHCP = false;
    ipv4.addresses = [
      {
        address = "10.224.0.1";
        prefixLength = 24;
      }
    ];
    ipv6.addresses = [
      {
        address = "fde1:2240:a1ef::1";
        prefixLength = 64;
      }
    ];
  };

  services = {
    # An address for the host, and no route: the board is not its way into the world.
    radvd = {
      enable = true;
      config = ''
        interface usb0 {
          AdvSendAdvert on;
          AdvDefaultLifetime 0;
          MinRtrAdvInterval 10;
          MaxRtrAdvInterval 20;
          prefix fde1:2240:a1ef::/64 {
            AdvOnLink on;
            AdvAutonomous on;
            AdvRouterAddr off;
          };
        };
      '';
    };
    # The name, on networks where the address is not known.
    avahi = {
      enable = true;
      nssmdns4 = true;
      denyInterfaces = ["lo" "usb0"];
      publish = {
        enable = true;
        addresses = true;
        hinfo = true;
        userServices = true;
        workstation = true;
      };
    };
  };
}
