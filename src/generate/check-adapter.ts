import { UserError } from '../errors.ts'
import type { LoraConfig } from '../models/graph/lora.ts'

/** Throws a UserError for an adapter that cannot share a batch with others. @param directory what the error calls it */
export function checkServed(directory: string, { rank, dora }: LoraConfig, maxRank: number): void {
  if (rank > maxRank) {
    throw new UserError(`${directory}: its rank is ${rank}, above the highest that is served (${maxRank}). Serve it merged, or raise the limit`, { exitCode: 2 })
  }
  if (dora === true) {
    throw new UserError(
      `${directory}: a DoRA adapter changes the norms of the base's weights and cannot share a batch with others. Merge it (posttrain merge) and serve the result`,
      { exitCode: 2 },
    )
  }
}
