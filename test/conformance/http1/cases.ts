/** All cases, and how they count by section. */
import { answerFieldCases } from "./answer-fields.ts";
import { chunkCases } from "./chunked.ts";
import { connectionCases } from "./connection.ts";
import { lengthCases } from "./content-length.ts";
import { contentCases } from "./contents.ts";
import { conversationCases } from "./conversations.ts";
import { fieldCases } from "./fields.ts";
import { maxForwardsCases } from "./max-forwards.ts";
import { requestLineCases } from "./request-line.ts";
import { responseCases } from "./responses.ts";
import { smugglingCases } from "./smuggling.ts";
import type { Case } from "./talk.ts";

export const CASES: readonly Case[] = [
  requestLineCases,
  fieldCases,
  lengthCases,
  chunkCases,
  connectionCases,
  maxForwardsCases,
  conversationCases,
  responseCases,
  answerFieldCases,
  contentCases,
  smugglingCases,
].flat();

export function casesBySection(): Map<string, Case[]> {
  return Map.groupBy(CASES, ({ section }) => section);
}
