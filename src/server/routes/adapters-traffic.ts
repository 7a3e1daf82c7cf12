import { millisecondsPerHour, type HourOfTraffic } from '../../feedback/traffic.ts'
import type { TrafficPeriod, WireTraffic, WireTrafficLine } from './adapters-wire.ts'

/** How the periods are cut: spans, and hours of each. */
const spansOf = { '24h': { spans: 24, hours: 1 }, '7d': { spans: 7, hours: 24 } } as const

/** Traffic of hours as lines of requests by adapter and by alias. @param from start of the first hour, milliseconds since 1970 */
export function wireTraffic(traffic: readonly HourOfTraffic[], period: TrafficPeriod, from: number): WireTraffic {
  const { spans, hours } = spansOf[period]
  const span = hours * millisecondsPerHour
  const spanOf = ({ start }: HourOfTraffic): number => Math.floor((start - from) / span)
  const named = traffic.filter(({ alias }) => alias !== null)
  return {
    object: 'adapter.traffic',
    period,
    start: from / 1000,
    span: span / 1000,
    adapters: linesOf(traffic, ({ adapterId }) => adapterId, spans, spanOf).map(([adapter, line]) => ({ adapter, ...line })),
    aliases: linesOf(named, ({ alias }) => alias!, spans, spanOf).map(([alias, line]) => ({ alias, ...line })),
  }
}

function linesOf<Key>(
  traffic: readonly HourOfTraffic[], keyOf: (hour: HourOfTraffic) => Key, spans: number, spanOf: (hour: HourOfTraffic) => number,
): [Key, WireTrafficLine][] {
  return [...Map.groupBy(traffic, keyOf)].map(([key, hours]): [Key, WireTrafficLine] => {
    const requests = Array<number>(spans).fill(0)
    for (const hour of hours) requests[spanOf(hour)]! += hour.requests
    return [key, {
      requests,
      total: sum(hours, 'requests'),
      prompt_tokens: sum(hours, 'promptTokens'),
      completion_tokens: sum(hours, 'completionTokens'),
    }]
  }).toSorted(([, a], [, b]) => b.total - a.total)
}

function sum(hours: readonly HourOfTraffic[], of: 'requests' | 'promptTokens' | 'completionTokens'): number {
  return hours.reduce((all, hour) => all + hour[of], 0)
}
