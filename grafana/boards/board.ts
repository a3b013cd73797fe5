/** What all boards have in common: their variables, how they lead to each other, and rows of panels. */
import {
  DashboardBuilder,
  DashboardCursorSync,
  DashboardLinkBuilder,
  DashboardLinkType,
  DatasourceVariableBuilder,
  QueryVariableBuilder,
  RowBuilder,
  VariableRefresh,
  VariableSort,
  type Dashboard,
} from '@grafana/grafana-foundation-sdk/dashboard';
import { of } from './expressions.ts';
import { DATA_SOURCE, boardUid, type BoardPanel } from './panel.ts';

export interface BoardOptions {
  /** Also the file's name, and the end of the board's uid: links to it hold for ever. */
  readonly name: string;
  readonly title: string;
  readonly description: string;
  /** True: there is a variable for upstreams. */
  readonly hasUpstreams?: boolean;
  readonly rows: readonly { readonly title: string; readonly panels: readonly BoardPanel[] }[];
}

export interface Board {
  readonly name: string;
  readonly dashboard: Dashboard;
}

/** All boards have it: by it they find each other. */
const TAG = 'imgapi-mirror';

export function createBoard({ name, title, description, hasUpstreams = false, rows }: BoardOptions): Board {
  const board = new DashboardBuilder(`imgapi-mirror: ${title}`)
    .uid(boardUid(name))
    .description(description)
    .tags([TAG])
    .time({ from: 'now-6h', to: 'now' })
    .refresh('30s')
    .tooltip(DashboardCursorSync.Crosshair)
    .annotations([])
    .link(
      new DashboardLinkBuilder('imgapi-mirror')
        .type(DashboardLinkType.Dashboards)
        .tags([TAG])
        .includeVars(true)
        .keepTime(true),
    )
    .withVariable(new DatasourceVariableBuilder('datasource').label('Data source').type('prometheus'))
    .withVariable(mirrorsVariable('job', 'Job', 'imgapi_mirror_build_info'))
    .withVariable(mirrorsVariable('instance', 'Mirror', 'imgapi_mirror_build_info{job=~"$job"}'));
  if (hasUpstreams) {
    const query = `label_values(${of('imgapi_mirror_upstream_up')}, upstream)`;
    board.withVariable(valuesVariable('upstream', 'Upstream', query));
  }
  let id = 0;
  for (const row of rows) {
    board.withRow(new RowBuilder(row.title).id((id += 1)));
    for (const panel of row.panels) board.withPanel(panel.id((id += 1)));
  }
  return { name, dashboard: board.build() };
}

/**
 * A choice among what there was a mirror of in the last week: one that is down does not leave the boards, where it would be
 * missed least, when the time shown no longer reaches back to when it was up.
 */
function mirrorsVariable(label: string, title: string, series: string): QueryVariableBuilder {
  const query = `query_result(group by (${label}) (last_over_time(${series}[7d])))`;
  return valuesVariable(label, title, query).regex(`/\\b${label}="([^"]+)"/`);
}

/** A choice of any number of values. All of them is the list of them: series of others stay out. */
function valuesVariable(name: string, title: string, query: string): QueryVariableBuilder {
  return (
    new QueryVariableBuilder(name)
      .label(title)
      .datasource(DATA_SOURCE)
      .query({ query, refId: 'values' })
      .definition(query)
      .refresh(VariableRefresh.OnTimeRangeChanged)
      // oxlint-disable-next-line unicorn/no-array-sort -- it is no array
      .sort(VariableSort.AlphabeticalAsc)
      .multi(true)
      .includeAll(true)
      .current({ text: ['All'], value: ['$__all'], selected: true })
  );
}
