/** A model on the map, as it is told to whoever does not see it. */
import { sayEstimate } from '../../estimate.ts'
import { shortText } from '../../model-names.ts'
import { aliasWords, isBase, methodName, stayed, type Standing } from './lineage.ts'

/** "v2: correctness 0.98, 95% interval 0.97 to 0.99; preference …; made by DPO from v1; support-desk points here" */
export function sayStanding(standing: Standing, isNewest = false): string {
  const { model, correctness, preference, aliases } = standing
  return [
    `${shortText(model)}: correctness ${sayEstimate(correctness)}`,
    `preference ${sayEstimate(preference)}`,
    originWords(standing),
    ...(aliases.length > 0 ? [aliasWords(aliases)] : []),
    ...(isNewest ? ['the newest'] : []),
  ].join('; ')
}

/** Where a model comes from. */
export function originWords(standing: Standing): string {
  const { parent, method } = standing
  if (isBase(standing)) return 'the base model'
  if (parent === undefined || method === undefined) return 'not made by a run here'
  return `made by ${methodName(method)} from ${shortText(parent.model)}${stayed(standing) ? ', and measured as good as that' : ''}`
}
