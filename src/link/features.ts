/** What a node may say in its handshake that it can do beyond the first version of the protocol. */

/** A feature: it reads a frame's payload before it acts on its FIN, so that both may share a frame. */
export const FIN_WITH_DATA = "fin-with-data";
/** A feature: streams whose preamble says `relay` are passed on to whoever offers the service to that node. */
export const RELAY_FEATURE = "relay";
/** A feature: it wants to be told of offers that lead on to other nodes. */
export const PATHS_FEATURE = "paths";
/** A feature: who asks to `confirm` a stream is told when somebody serves it. */
export const CONFIRM_FEATURE = "confirm";
