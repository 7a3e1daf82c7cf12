import { existsSync } from 'node:fs'

import { z } from 'zod'

import { messageOf, UserError } from '../errors.ts'
import { dataKindOf, dataKinds, type DataKind } from '../data/kinds.ts'
import type { LoaderPart } from '../data/loader.ts'
import { readRows, type Located } from '../data/read.ts'
import type { RenderOptions } from '../data/render.ts'
import { renderTrees, type RenderedTree, type RenderedTrees } from '../data/tree.ts'
import type { ModelConfig } from '../models/config.ts'
import type { Tokenizer } from '../models/tokenizer/tokenizer.ts'
import { methods } from '../methods/index.ts'
import type { Recipe } from './recipe.ts'

/** Rows with their tokens, in one order. */
export interface RowSet<Row = unknown> {
  readonly trees: readonly RenderedTree[]
  readonly sources: readonly Located<Row>[]
}

/** A recipe's rows as tokens. */
export interface TrainingData<Row = unknown> {
  /** Of all files, end to end. */
  readonly rows: RowSet<Row>
  readonly parts: readonly LoaderPart[]
  readonly heldOut: RowSet<Row> | undefined
  /** Rows that were cut or left out. */
  readonly warnings: readonly string[]
}

export const LoaderStateSchema = z.object({ epoch: z.int(), index: z.int() })

/** Reads, checks and renders the files of a recipe. Throws a UserError that names file and line. */
export async function openData<Row>(recipe: Recipe, kind: DataKind<Row>, tokenizer: Tokenizer, config: ModelConfig): Promise<TrainingData<Row>> {
  const options = { ...renderOptions(recipe, config), maxLength: recipe.max_length }
  const warnings: string[] = []
  const open = async (path: string): Promise<RowSet<Row>> => {
    const rendered = renderTrees(await rowsFor(path, kind), kind.render, tokenizer, options)
    warnings.push(...cutRows(path, recipe.max_length, rendered))
    return rendered
  }
  const files = []
  for (const { path, weight } of recipe.data) files.push({ ...(await open(path)), weight })
  return {
    rows: { trees: files.flatMap(({ trees }) => trees), sources: files.flatMap(({ sources }) => sources) },
    parts: files.map(({ trees, weight }) => ({ rows: trees.length, weight })),
    heldOut: recipe.eval === undefined ? undefined : await open(recipe.eval),
    warnings,
  }
}

/** How a recipe's rows become text. */
export function renderOptions(recipe: Recipe, config: ModelConfig): RenderOptions {
  return { template: recipe.template === 'none' ? 'none' : 'auto', endTokenIds: config.eosTokenIds }
}

/** The rows of a file; where they are another method's, the refusal says whose. */
async function rowsFor<Row>(path: string, kind: DataKind<Row>): Promise<Located<Row>[]> {
  try {
    return await readRows(path, kind.rows)
  } catch (error) {
    const found = error instanceof UserError && existsSync(path) ? await dataKindOf(path) : undefined
    if (found === undefined || dataKinds[found] === (kind as unknown)) throw error
    const fitting = Object.values(methods).filter(({ rows }) => rows === found).map(({ name }) => name)
    throw new UserError(`${messageOf(error)}. Rows like these are for method ${fitting.join(' or ')}.`, { exitCode: 2, cause: error })
  }
}

function cutRows(path: string, maxLength: number, { trees, truncated, dropped }: RenderedTrees<unknown>): string[] {
  const warnings = []
  if (truncated.length > 0) {
    warnings.push(`${path}: max_length ${maxLength} cuts ${truncated.length} rows (the first is ${truncated[0]!})`)
  }
  if (dropped.length > 0) {
    const reason = trees[0]!.branches.length === 0 ? 'their prompts are longer than max_length' : 'max_length cuts all that carries loss'
    warnings.push(`${path}: ${dropped.length} rows are left out, ${reason} (the first is ${dropped[0]!})`)
  }
  return warnings
}
