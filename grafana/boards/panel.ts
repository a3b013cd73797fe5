/** The two kinds of panel that the boards use, with what every panel must have: a unit, a description, its queries. */
import {
  StackingConfigBuilder,
  VizLegendOptionsBuilder,
  VizTooltipOptionsBuilder,
} from '@grafana/grafana-foundation-sdk/common';
import {
  BigValueColorMode,
  BigValueGraphMode,
  LegendDisplayMode,
  LegendPlacement,
  ReduceDataOptionsBuilder,
  SortOrder,
  StackingMode,
  TooltipDisplayMode,
  VisibilityMode,
} from '@grafana/grafana-foundation-sdk/common';
import {
  MappingType,
  SpecialValueMatch,
  ThresholdsConfigBuilder,
  ThresholdsMode,
  type ValueMapping,
} from '@grafana/grafana-foundation-sdk/dashboard';
import { DataqueryBuilder } from '@grafana/grafana-foundation-sdk/prometheus';
import { PanelBuilder as StatBuilder } from '@grafana/grafana-foundation-sdk/stat';
import { PanelBuilder as GraphBuilder } from '@grafana/grafana-foundation-sdk/timeseries';
import {
  BytesIEC,
  BytesPerSecondIEC,
  NoUnit,
  OpsPerSecond,
  PercentUnit,
  RequestsPerSecond,
  Seconds,
  Short,
} from '@grafana/grafana-foundation-sdk/units';

/** What a panel's numbers are. `count` has no unit but its digits; `ratio` is shown in percent. */
const UNITS = {
  bytes: BytesIEC,
  bytesPerSecond: BytesPerSecondIEC,
  requestsPerSecond: RequestsPerSecond,
  eventsPerSecond: OpsPerSecond,
  ratio: PercentUnit,
  seconds: Seconds,
  count: Short,
  state: NoUnit,
} as const;

/** A number from which on it is shown in another colour. */
export interface Step {
  readonly from: number;
  readonly color: 'green' | 'yellow' | 'orange' | 'red' | 'blue';
}

export interface PanelOptions {
  readonly title: string;
  /** One line: what it shows, and what to make of it. */
  readonly description: string;
  readonly unit: keyof typeof UNITS;
  /** Expressions by legend, such as `{{upstream}}`. */
  readonly queries: Readonly<Record<string, string>>;
  /** Of the 24 columns of a board. */
  readonly width: number;
}

export type BoardPanel = StatBuilder | GraphBuilder;

const STAT_ROWS = 4;
const GRAPH_ROWS = 8;
/** Below the first step. */
const PLAIN: Step['color'] = 'green';

/** The newest value of each series, large. `words`: names for values; the key `NaN` for none. */
export function stat(
  options: PanelOptions & {
    readonly steps?: readonly Step[];
    readonly words?: Readonly<Record<string, { readonly text: string; readonly color: Step['color'] }>>;
    readonly decimals?: number;
    /** In place of a number where there is none. */
    readonly none?: string;
  },
): StatBuilder {
  const { steps = [], words = {}, decimals, none = 'nothing yet' } = options;
  const panel = new StatBuilder()
    .height(STAT_ROWS)
    .noValue(none)
    .mappings(Object.entries(words).map(([value, { text, color }]) => mapping(value, text, color)))
    .thresholds(
      new ThresholdsConfigBuilder()
        .mode(ThresholdsMode.Absolute)
        .steps([{ value: null, color: PLAIN }, ...steps.map(({ from, color }) => ({ value: from, color }))]),
    )
    .colorMode(BigValueColorMode.Value)
    .graphMode(BigValueGraphMode.None)
    .reduceOptions(new ReduceDataOptionsBuilder().calcs(['lastNotNull']));
  if (decimals !== undefined) panel.decimals(decimals);
  return described(panel, options, (query) => query.instant());
}

/** Lines over time; stacked where their sum means something. */
export function graph(
  options: PanelOptions & { readonly isStacked?: boolean; readonly min?: number; readonly max?: number },
): GraphBuilder {
  const { isStacked = false, min = 0, max } = options;
  const panel = new GraphBuilder()
    .height(GRAPH_ROWS)
    .min(min)
    .lineWidth(1)
    .fillOpacity(isStacked ? 30 : 5)
    .showPoints(VisibilityMode.Never)
    .stacking(new StackingConfigBuilder().mode(isStacked ? StackingMode.Normal : StackingMode.None))
    .legend(
      new VizLegendOptionsBuilder()
        .showLegend(true)
        .displayMode(LegendDisplayMode.List)
        .placement(LegendPlacement.Bottom),
    )
    // oxlint-disable-next-line unicorn/no-array-sort -- it is no array
    .tooltip(new VizTooltipOptionsBuilder().mode(TooltipDisplayMode.Multi).sort(SortOrder.Descending));
  if (max !== undefined) panel.max(max);
  return described(panel, options, (query) => query.range());
}

function described<Panel extends BoardPanel>(
  panel: Panel,
  { title, description, unit, queries, width }: PanelOptions,
  finish: (query: DataqueryBuilder) => DataqueryBuilder,
): Panel {
  panel.title(title).description(description).unit(UNITS[unit]).span(width).datasource(DATA_SOURCE);
  for (const [at, [legend, expr]] of Object.entries(queries).entries()) {
    const refId = String.fromCodePoint('A'.charCodeAt(0) + at);
    panel.withTarget(
      finish(new DataqueryBuilder().refId(refId).expr(expr).legendFormat(legend).datasource(DATA_SOURCE)),
    );
  }
  return panel;
}

/** The one chosen on the board. */
export const DATA_SOURCE = { type: 'prometheus', uid: '${datasource}' };

function mapping(value: string, text: string, color: Step['color']): ValueMapping {
  if (value !== 'NaN') return { type: MappingType.ValueToText, options: { [value]: { text, color } } };
  const match = SpecialValueMatch.NotANumber;
  return { type: MappingType.SpecialValue, options: { match, result: { text, color } } };
}
