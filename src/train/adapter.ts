/** The adapter that a run trains, made or loaded as its recipe says, and the base beneath it. */
import type { ModelConfig } from '../models/config.ts'
import { linearShape } from '../models/graph/decoder.ts'
import type { Precision } from '../models/graph/linear-maps.ts'
import { loraNames, type Adapter, type LoraConfig } from '../models/graph/lora.ts'
import { loadAdapter } from '../models/peft.ts'
import { asOrdinaryAdapter, pissaAdapter, residualBase, type BaseModel } from '../models/pissa.ts'
import { frozenSource, squaredRows } from '../models/stored.ts'
import { Random } from '../random.ts'
import type { ParameterRule } from './optimizer.ts'
import { initialAdapter, isDecayed, targetModules } from './policy.ts'
import type { Recipe } from './recipe.ts'

export interface TrainedAdapter {
  /** Its values are trained in place. */
  readonly adapter: Adapter
  /** The base beneath it: the model, or with PiSSA what the adapter leaves of it. */
  readonly base: BaseModel
  /** The adapter as it stands, for the model itself: what is written when the run ends. */
  finished(): Adapter
}

/** Throws a UserError where the adapter that a recipe asks for cannot be: before anything is made or written. */
export function checkAdapter({ adapter: wanted }: Recipe, config: ModelConfig): void {
  if (wanted.type === 'none') return
  if (wanted.init === undefined || wanted.init === 'pissa') targetModules(config, wanted.targets)
  else loadAdapter(wanted.init, config)
}

/**
 * The adapter that training begins with; undefined for full fine-tuning. The same recipe and model make the same one.
 * @param cache folder for prepared weights, where the parts of PiSSA are kept
 */
export async function openAdapter(
  { adapter: wanted, seed }: Recipe,
  model: BaseModel,
  precision: Precision,
  cache: string,
): Promise<TrainedAdapter | undefined> {
  if (wanted.type === 'none') return undefined
  const overModel = (adapter: Adapter): TrainedAdapter =>
    ({ adapter, base: model, finished: () => (precision === 'f32' ? adapter : { ...adapter, basePrecision: precision }) })
  if (wanted.init !== undefined && wanted.init !== 'pissa') return overModel(loadAdapter(wanted.init, model.config))

  const { rank, alpha, use_rslora: rankStabilized } = wanted
  const lora: LoraConfig = { rank, alpha, rankStabilized, modules: targetModules(model.config, wanted.targets) }
  if (wanted.init === 'pissa') {
    const adapter = await pissaAdapter(model, lora, cache)
    const initial = new Map([...adapter.parameters].map(([name, values]) => [name, values.slice()]))
    return { adapter, base: residualBase(model, { config: lora, parameters: initial }), finished: () => asOrdinaryAdapter(adapter, initial) }
  }
  const random = new Random(seed, adapterStream)
  const fresh = initialAdapter(model.config, lora, () => random.uint32() / 2 ** 32)
  return overModel(wanted.use_dora ? withMagnitudes(fresh, model, precision) : fresh)
}

/** The stream of the run's seed that makes the adapter; the order of rows uses the epochs' numbers. */
const adapterStream = 2 ** 31

/** DoRA's magnitudes begin as the norms of the base's rows, so that the first step starts from the base. */
function withMagnitudes({ config: lora, parameters }: Adapter, model: BaseModel, precision: Precision): Adapter {
  const source = frozenSource(model, precision)
  const magnitudes = lora.modules.map((module) => {
    const [outputs] = linearShape(model.config, module)
    return [loraNames(module).magnitude, squaredRows(source.read(`${module}.weight`), outputs).map(Math.sqrt)] as const
  })
  return { config: { ...lora, dora: true }, parameters: new Map([...parameters, ...magnitudes]) }
}

/**
 * How the optimizer treats a parameter: norms and biases are spared from weight decay; with LoRA+ (Hayou et al. 2024) B
 * and DoRA's magnitudes learn faster than A by the recipe's ratio, as in PEFT.
 */
export function parameterRule({ adapter }: Recipe): (name: string) => ParameterRule {
  const ratio = adapter.type === 'lora' ? (adapter.loraplus_ratio ?? 1) : 1
  return (name) => ({ decay: isDecayed(name), lrScale: /\.lora_B\.weight$|\.lora_magnitude_vector$/.test(name) ? ratio : 1 })
}
