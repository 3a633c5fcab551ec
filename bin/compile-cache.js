// Where compiled code is kept between runs: a folder that only this user can write to, or none.
//
// Node.js runs what it finds in that folder without looking at it again, and its own choice is a folder that everybody
// shares. Whoever could write to ours could run code as this user, so every folder on the way to it is looked at first.
import { lstatSync, mkdirSync, realpathSync } from "fs";
import { homedir } from "os";
import { dirname, isAbsolute, join } from "path";

const OTHERS_MAY_WRITE = 0o022;
const OTHERS_MAY_ANYTHING = 0o077;
const STICKY = 0o1000;

/** The folder, made if need be; undefined where there is none that is safe. Never throws. */
export function compileCacheFolder(environment) {
  // Only POSIX tells whose a folder is. Code that runs for somebody else than who started it keeps nothing.
  if (process.geteuid === undefined || process.geteuid() !== process.getuid()) return undefined;
  try {
    const base = cacheHome(environment);
    if (base === undefined) return undefined;
    return privateFolder(join(base, "polarity", "compiled"), process.geteuid());
  } catch {
    return undefined;
  }
}

/** Throws where the user has no home. */
function cacheHome(environment) {
  const given = environment.XDG_CACHE_HOME;
  if (given !== undefined && isAbsolute(given)) return given;
  const home = environment.HOME || homedir();
  // Services are often given the root folder, or one that is not there, for a home.
  return isAbsolute(home) && dirname(home) !== home && lstatSync(realpathSync(home)).isDirectory()
    ? join(home, ".cache")
    : undefined;
}

function privateFolder(path, user) {
  const there = nearestFolder(path);
  // By its real path, so that no link on the way can be turned round after the look.
  const real = realpathSync(there);
  if (!isSafeWay(real, user)) return undefined;
  const folder = real + path.slice(there.length);
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const { uid, mode } = lstatSync(folder);
  const isPrivate = uid === user && (mode & OTHERS_MAY_ANYTHING) === 0;
  return isPrivate && realpathSync(folder) === folder && isSafeWay(folder, user) ? folder : undefined;
}

/** The longest part of the path that exists. */
function nearestFolder(path) {
  for (let folder = path; ; folder = dirname(folder)) {
    if (lstatSync(folder, { throwIfNoEntry: false }) !== undefined) return folder;
  }
}

/** Whether nobody but this user and root can put something else in the place of a folder on the way to `path`. */
function isSafeWay(path, user) {
  const way = [path];
  while (dirname(way[0]) !== way[0]) way.unshift(dirname(way[0]));
  let othersGetHere = true;
  for (const folder of way) {
    const stat = lstatSync(folder);
    if (!stat.isDirectory() || (stat.uid !== user && stat.uid !== 0)) return false;
    const isOpen = (stat.mode & OTHERS_MAY_WRITE) !== 0 && (stat.mode & STICKY) === 0;
    if (othersGetHere && isOpen) return false;
    if ((stat.mode & OTHERS_MAY_ANYTHING) === 0) othersGetHere = false;
  }
  return true;
}
