import { z } from 'zod'
import type { LoaderPart } from '../data/loader.ts'
import { readRows } from '../data/read.ts'
import { renderRows, type RenderOptions, type RenderedRow } from '../data/render.ts'
import { sftRowKinds, type SftRow } from '../data/rows.ts'
import type { ModelConfig } from '../models/config.ts'
import type { Tokenizer } from '../models/tokenizer/tokenizer.ts'
import type { Recipe } from './recipe.ts'

/** A recipe's rows as tokens. */
export interface TrainingData {
  /** Of all files, end to end. */
  readonly rows: readonly RenderedRow[]
  readonly parts: readonly LoaderPart[]
  readonly heldOut: readonly RenderedRow[] | undefined
  /** Rows that were cut or left out. */
  readonly warnings: readonly string[]
}

export const LoaderStateSchema = z.object({ epoch: z.int(), index: z.int() })

/** Reads, checks and renders the files of a recipe. Throws a UserError that names file and line. */
export async function openData(recipe: Recipe, tokenizer: Tokenizer, config: ModelConfig): Promise<TrainingData> {
  const options = renderOptions(recipe, config)
  const warnings: string[] = []
  const open = async (path: string): Promise<readonly RenderedRow[]> => {
    const rendered = renderRows(await readRows<SftRow>(path, sftRowKinds), tokenizer, { ...options, maxLength: recipe.max_length })
    warnings.push(...cutRows(path, recipe.max_length, rendered.truncated, rendered.dropped))
    return rendered.rows
  }
  const files = []
  for (const { path, weight } of recipe.data) files.push({ rows: await open(path), weight })
  return {
    rows: files.flatMap(({ rows }) => rows),
    parts: files.map(({ rows, weight }) => ({ rows: rows.length, weight })),
    heldOut: recipe.eval === undefined ? undefined : await open(recipe.eval),
    warnings,
  }
}

/** How a recipe's rows become text. */
export function renderOptions(recipe: Recipe, config: ModelConfig): RenderOptions {
  return { template: recipe.template === 'none' ? 'none' : 'auto', endTokenIds: config.eosTokenIds }
}

function cutRows(path: string, maxLength: number, truncated: readonly string[], dropped: readonly string[]): string[] {
  const warnings = []
  if (truncated.length > 0) {
    warnings.push(`${path}: max_length ${maxLength} cuts ${truncated.length} rows (the first is ${truncated[0]!})`)
  }
  if (dropped.length > 0) {
    warnings.push(`${path}: ${dropped.length} rows are left out, max_length cuts all that carries loss (the first is ${dropped[0]!})`)
  }
  return warnings
}
