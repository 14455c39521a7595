export const EXIT_CODES = `Exit codes

    0  done (an empty list is done)
    1  refused or failed
    2  usage or spec error
    3  not found or expired
    4  conflict: already over, wrong state, the id is taken
    5  no leader, no cluster, or nobody answers
    6  not authenticated, or forbidden
    7  overloaded: retry later
    8  part of a bulk command failed
    9  condition not met before --timeout
   70  a bug in nl: please report it
   74  a node stopped because its disk failed
  130  interrupted

nl run, nl submit --wait and nl wait exit as the job did:

  0-255  the job's own code
    124  the job timed out
    125  nl's own trouble: usage, no cluster, refused, no image, no Docker
    126  the command is not executable
    127  the command was not found
    137  the job was killed, or needed more memory than it may use
    143  the job was cancelled or terminated
  128+n  the job ended by signal n

Every refusal has a stable code on its last line; with -o json it is one object
on stderr: {"error":{"code":...,"message":...,"hint":...}}.
`;
