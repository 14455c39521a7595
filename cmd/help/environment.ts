export const ENVIRONMENT = `Environment

  NL_ADDR        addresses of nodes, comma-separated (flag --addr)
  NL_DATA_DIR    directory of the local cluster (flag --data)
  NL_CA          the cluster's CA certificate (flag --ca-cert)
  NL_CERT        client certificate (flag --cert)
  NL_KEY         its key (flag --key)
  NO_COLOR       no colour when set to anything
  NL_DEBUG=1     a bug in nl shows where it happened
  NL_SNAPSHOT_ENTRIES, NL_SNAPSHOT_BYTES, NL_SNAPSHOT_KEEP
                 when a node makes a snapshot, and how much of its log it keeps
                 before it (flags of nl agent)
  DOCKER_HOST    where the nodes of nl up find Docker
  XDG_DATA_HOME  nl up keeps its cluster in $XDG_DATA_HOME/nl/dev,
                 without it in ~/.local/share/nl/dev

A flag wins over the environment. A job sees none of this: it gets the variables
of its spec, and NL_JOB_ID, NL_ATTEMPT and NL_FENCE.
`;
