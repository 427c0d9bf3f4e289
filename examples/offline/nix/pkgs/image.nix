# The container image: one layer with one program. The archive is an OCI layout that also has
# Docker's manifest.json, so `docker load`, `podman load` and `skopeo` (oci-archive: and
# docker-archive:) take it. The container is for Linux, whatever system builds it.
{
  lib,
  mkDerivation,
  system,
}: let
  architecture =
    if builtins.match "aarch64-.*" system == null
    then "amd64"
    else "arm64";
  name = "elodin/hello-aleph";
  version = "1.0.0";
in
  mkDerivation {
    pname = "hello-aleph-image";
    inherit version;
    suffix = ".tar";
    meta.description = "A container image that says hello";
    script = ''
      . ${lib}/bytes.sh
      . ${lib}/tar.sh
      . ${lib}/sha256.sh
      . ${lib}/programs.sh

      phase buildPhase
      program=$(print_${architecture} 'Hello, Aleph! This container was made without network.
      ')
      layer=$(
        tar_directory bin
        tar_header 0 755 "$(size "$program")" bin/hello-aleph
        printf %s "$program"
        tar_padding "$(size "$program")"
        tar_end
      )
      layerHash=$(sha256 "$layer")
      log "layer $layerHash"

      # descriptor TYPE HASH SIZE
      descriptor() { printf '"mediaType":"application/vnd.oci.image.%s","digest":"sha256:%s","size":%d' "$@"; }

      time=1970-01-01T00:00:01Z
      config=$(printf '{"created":"%s","architecture":"${architecture}","os":"linux","config":{"Entrypoint":["/bin/hello-aleph"],"WorkingDir":"/"},"rootfs":{"type":"layers","diff_ids":["sha256:%s"]},"history":[{"created":"%s","created_by":"examples/offline"}]}' "$time" "$layerHash" "$time")
      configHash=$(sha256 "$(octets "$config")")
      log "config $configHash"

      manifest="{\"schemaVersion\":2,\"mediaType\":\"application/vnd.oci.image.manifest.v1+json\",\"config\":{$(
        descriptor config.v1+json "$configHash" "''${#config}"
      )},\"layers\":[{$(
        descriptor layer.v1.tar "$layerHash" "$(size "$layer")"
      )}]}"
      manifestHash=$(sha256 "$(octets "$manifest")")
      log "manifest $manifestHash"

      index="{\"schemaVersion\":2,\"mediaType\":\"application/vnd.oci.image.index.v1+json\",\"manifests\":[{$(
        descriptor manifest.v1+json "$manifestHash" "''${#manifest}"
      ),\"annotations\":{\"org.opencontainers.image.ref.name\":\"${version}\",\"io.containerd.image.name\":\"docker.io/${name}:${version}\"}}]}"
      docker="[{\"Config\":\"blobs/sha256/$configHash\",\"RepoTags\":[\"${name}:${version}\"],\"Layers\":[\"blobs/sha256/$layerHash\"]}]"

      phase installPhase
      put "$(
        tar_text 644 oci-layout '{"imageLayoutVersion":"1.0.0"}'
        tar_text 644 index.json "$index"
        tar_text 644 manifest.json "$docker"
        tar_directory blobs
        tar_directory blobs/sha256
        tar_text 644 "blobs/sha256/$manifestHash" "$manifest"
        tar_text 644 "blobs/sha256/$configHash" "$config"
        tar_header 0 644 "$(size "$layer")" "blobs/sha256/$layerHash"
        printf %s "$layer"
        tar_end
      )" > "$out"
    '';
  }
