/** A loaded model that answers whoever asks, whenever they ask: requests join and leave the running batch. */
import type { ModelConfig } from '../models/config.ts'
import type { AdaptedLayers } from '../models/graph/row-lora.ts'
import type { Precision } from '../models/graph/parts.ts'
import type { Tokenizer } from '../models/tokenizer/tokenizer.ts'
import type { Completion, GenerateRequest, TokenLogprob } from './completion.ts'

/** An adapter that a request asks for: read when it is first asked for, by its directory, and kept under its id. */
export interface AdapterRef {
  /** Never given to other weights: an adapter that is trained again gets another id. */
  readonly id: string
  /** A PEFT directory. */
  readonly directory: string
}

export interface LiveRequest extends GenerateRequest {
  /** undefined: the base alone. */
  readonly adapter?: AdapterRef | undefined
}

/** What a request hears of while it runs. */
export interface LiveToken {
  /** The completion's place among the request's samples. */
  readonly sample: number
  readonly id: number
  /** Text that is certain by now and was not before, often ''; the pieces, joined, are the completion's text. */
  readonly text: string
  readonly logprob: number
  /** Where the request asks for them: the likeliest tokens in its place, the likeliest first. */
  readonly top?: readonly TokenLogprob[] | undefined
}

/** What can be known of an adapter without loading it. */
export interface AdapterFacts {
  readonly rank: number
  readonly bytes: number
  /** SHA-256 of adapter_model.safetensors. */
  readonly sha256: string
}

export interface LiveStats {
  /** Rows that decode, and requests that wait for a place. */
  readonly running: number
  readonly waiting: number
  /** Ids of the adapters in memory, and their bytes there. */
  readonly adapters: readonly string[]
  readonly adapterBytes: number
  /** Since the start. */
  readonly promptTokens: number
  /** Of these, those whose keys and values were there already. */
  readonly cachedPromptTokens: number
  readonly completionTokens: number
  readonly adapterLoads: number
  readonly adapterEvictions: number
}

export interface LiveModel extends AsyncDisposable {
  readonly config: ModelConfig
  readonly tokenizer: Tokenizer
  /**
   * Completes one prompt; its completions do not depend on what else runs.
   * @param onToken hears of each token of each completion
   * @param signal frees the request's rows at once; the promise rejects with the signal's reason
   * @throws UserError (exitCode 2) for what is wrong with the request: a parameter out of range, a prompt longer than the
   * context, an adapter that does not fit
   */
  generate(request: LiveRequest, onToken?: (token: LiveToken) => void, signal?: AbortSignal): Promise<Completion[]>
  /**
   * Reads an adapter's header and checks that it fits, without loading it.
   * @throws UserError that says what is wrong with it: damaged, pickled, of another base, its rank too high
   */
  inspect(directory: string): Promise<AdapterFacts>
  /** Keeps an adapter in memory whatever else is asked for; `unpin` ends that. */
  pin(adapter: AdapterRef): Promise<void>
  unpin(id: string): Promise<void>
  /** Forgets an adapter once the requests that run with it have ended. */
  drop(id: string): Promise<void>
  stats(): Promise<LiveStats>
  close(): Promise<void>
}

export interface LiveOptions {
  /** How the base is stored and multiplied; int8 unless given. */
  readonly precision?: Precision | undefined
  readonly threads?: number | undefined
  /** Most adapters in memory (64 unless given); the least recently used goes first, pinned ones stay. */
  readonly maxAdapters?: number | undefined
  /** Highest rank of an adapter (64 unless given). */
  readonly maxRank?: number | undefined
  /** Most rows that decode at once (64 unless given). */
  readonly maxRows?: number | undefined
  /**
   * Memory that the keys and values of the running rows take before some of them wait for others to end, in bytes (4 GiB
   * unless given).
   */
  readonly cacheBytes?: number | undefined
  /** Most memory that the beginnings of earlier prompts take, in bytes (512 MiB unless given); 0 keeps none. */
  readonly prefixBytes?: number | undefined
  /**
   * The graphs with slots for adapters that are compiled when the model is opened: for adapters of q, k, v and o, and for
   * those of more layers (both unless given). Each takes about the memory of the base; one that is not ready is compiled when
   * the first adapter needs it, and running requests wait half a second or more for that.
   */
  readonly ready?: readonly AdaptedLayers[] | undefined
}
