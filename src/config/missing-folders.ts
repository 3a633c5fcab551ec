/** Files that a node would make in folders that are not there: it could not start, or would start without them. */
import { missingFolder } from "../socket/system-reason.ts";
import type { NodeConfig } from "./node-config.ts";
import { listeningPlaces, socketFile } from "./places.ts";
import type { ConfigProblem } from "./problems.ts";

export function missingFolders(config: NodeConfig): ConfigProblem[] {
  const files: (readonly [readonly (string | number)[], string | undefined])[] = [
    ...listeningPlaces(config).map((place) => [place.path, socketFile(place)] as const),
    [["accessLog", "path"], config.accessLog?.path],
    ...config.listeners.map(
      ({ accessLog }, index) => [["listeners", index, "accessLog", "path"], accessLog?.path] as const,
    ),
  ];
  return files.flatMap(([path, file]) => {
    const missing = file === undefined ? undefined : missingFolder(file);
    return missing === undefined ? [] : [{ path, message: `${file} cannot be made: ${missing}`, atKey: false }];
  });
}
