/**
 * The little of the metadata API that @peculiar/x509 asks for when it is loaded: import this before it. Nothing there is
 * injected by type, so an answer of "none" is the right one.
 */
Object.assign(Reflect, { getMetadata: () => undefined, getOwnMetadata: () => undefined, defineMetadata: () => {} });
