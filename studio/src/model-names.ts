/** What models are called where a person reads or picks one: `ft:BASE:v2:8d5e29fa`, an adapter that a job made, is v2. */

export interface ShortName {
  readonly name: string
  /** The job's part of the whole name, where `name` does not say it. */
  readonly job: string | undefined
}

/** Of an adapter of a job its suffix, or the job where it has none; its checkpoint's step; any other name as it is. */
export function shortNameOf(model: string): ShortName {
  const [, suffix, job = '', rest = ''] = /^ft:[^:]*:([^:]*):([^:]+)(:.+)?$/.exec(model) ?? []
  if (suffix === undefined) return { name: model, job: undefined }
  return suffix === '' ? { name: job + rest, job: undefined } : { name: suffix + rest, job }
}

/** The short name with its job, alike for no two models. */
export function shortText(model: string): string {
  const { name, job } = shortNameOf(model)
  return job === undefined ? name : `${name} ${job}`
}

/** A long name keeps its end, which tells models apart. */
export function shortened(name: string, most: number): string {
  if (name.length <= most) return name
  const head = Math.floor((most - 1) / 3)
  return `${name.slice(0, head)}…${name.slice(name.length - (most - 1 - head))}`
}

/**
 * What models are called where they stand beside each other: the job is left out unless two have the same name.
 * @param most characters. @returns a name for each, all different where the models are
 */
export function namesAmong(models: readonly string[], most = 40): ReadonlyMap<string, string> {
  const shortOf = (model: string): string => shortened(shortNameOf(model).name, most)
  const uses = Map.groupBy(new Set(models), shortOf)
  return new Map(models.map((model) => {
    const short = shortOf(model)
    return [model, uses.get(short)!.length === 1 ? short : shortened(shortText(model), most)]
  }))
}
