/* Patients of one arm drawn from their posterior given clicks and a table: Metropolis, for reconstruction_floor.py.
 *
 * Time is cut into cells. Every patient leaves in a cell of his interval of the table, by event or censored; hazards of
 * both are constant in each bin of cells, their logarithms a random walk of t-distributed steps. All proposals are
 * symmetric in labelled patients, so that only the density of the patients and the likelihood of the clicks count.
 */
#include <math.h>
#include <stdint.h>
#include <string.h>

#define CELLS 1200
#define BINS 400
#define PEOPLE 2000
#define CLICKS 2000

typedef struct {
    int n, cells, clicks, width;                       /* width: of the longest window of a click */
    const int *first_cell, *window;                    /* of each click */
    const double *weight, *survival;                   /* clicks x width: probability of each cell; height */
    double precision, foot;                            /* 1 / (2 sd^2); extra weight of a cell with an event */
} Problem;

static uint64_t state;
static int events[CELLS], censored[CELLS], at_risk[CELLS], new_at_risk[CELLS];
static double curve[CELLS], new_curve[CELLS], fit[CLICKS], new_fit[CLICKS];

static double uniform(void) {
    state ^= state >> 12; state ^= state << 25; state ^= state >> 27;
    return ((state * 2685821657736338717ULL) >> 11) * (1.0 / 9007199254740992.0);
}
static int below(int n) { int k = (int)(uniform() * n); return k < n ? k : n - 1; }
static double normal(void) { return sqrt(-2 * log(uniform() + 1e-300)) * cos(6.283185307179586 * uniform()); }
static int accepted(double change) { return log(uniform() + 1e-300) < change; }
static double log_t(double step, double scale, double df) {
    return -0.5 * (df + 1) * log1p(step * step / (df * scale * scale)) - log(scale);
}

/* Curve from cell `from` on, and the change in the clicks' log-likelihood. */
static double refit(const Problem *p, int from) {
    int r = from ? at_risk[from - 1] - events[from - 1] - censored[from - 1] : p->n;
    double s = from ? curve[from - 1] : 1.0, change = 0;
    for (int g = from; g < p->cells; g++) {
        new_at_risk[g] = r;
        if (events[g]) s *= (double)(r - events[g]) / r;
        new_curve[g] = s;
        r -= events[g] + censored[g];
    }
    for (int k = 0; k < p->clicks; k++) {
        new_fit[k] = fit[k];
        if (p->first_cell[k] + p->window[k] <= from) continue;
        double likelihood = 0;
        for (int q = 0; q < p->window[k]; q++) {
            int g = p->first_cell[k] + q;
            double off = p->survival[k] - (g < from ? curve[g] : new_curve[g]);
            likelihood += p->weight[k * p->width + q] * exp(-off * off * p->precision) * (events[g] ? 1 + p->foot : 1);
        }
        new_fit[k] = log(likelihood + 1e-300);
        change += new_fit[k] - fit[k];
    }
    return change;
}

static void keep(const Problem *p, int from) {
    memcpy(curve + from, new_curve + from, (p->cells - from) * sizeof(double));
    memcpy(at_risk + from, new_at_risk + from, (p->cells - from) * sizeof(int));
    memcpy(fit, new_fit, p->clicks * sizeof(double));
}

static void put(int cell, int event, int count) { (event ? events : censored)[cell] += count; }

/* One pass over the log hazards x of the bins, with `count` exits and `exposure`; returns the new scale of their steps. */
static double walk(double *x, const int *count, const double *exposure, int bins, double start, double scale, double df,
                   double largest) {
    for (int b = 0; b < bins; b++) {
        double y = x[b] + normal() * (0.3 + 0.7 / sqrt(count[b] + 1.0));
        double d = count[b] * (y - x[b]) - (exp(y) - exp(x[b])) * exposure[b];
        d += b ? log_t(y - x[b - 1], scale, df) - log_t(x[b] - x[b - 1], scale, df)
               : -0.125 * ((y - start) * (y - start) - (x[b] - start) * (x[b] - start)); /* N(start, 2^2) */
        if (b < bins - 1) d += log_t(x[b + 1] - y, scale, df) - log_t(x[b + 1] - x[b], scale, df);
        if (accepted(d)) x[b] = y;
    }
    int cut = below(bins); /* all bins from here on */
    double shift = 0.3 * normal(), d = 0, y = x[cut] + shift;
    for (int b = cut; b < bins; b++) d += count[b] * shift - (exp(x[b] + shift) - exp(x[b])) * exposure[b];
    d += cut ? log_t(y - x[cut - 1], scale, df) - log_t(x[cut] - x[cut - 1], scale, df)
             : -0.125 * ((y - start) * (y - start) - (x[0] - start) * (x[0] - start));
    if (accepted(d)) for (int b = cut; b < bins; b++) x[b] += shift;
    double other = scale * exp(0.5 * normal()); /* uniform on the logarithm */
    if (other < 0.02 || other > largest) return scale;
    d = 0;
    for (int b = 1; b < bins; b++) d += log_t(x[b] - x[b - 1], other, df) - log_t(x[b] - x[b - 1], scale, df);
    return accepted(d) ? other : scale;
}

/* Draws into cell_out, event_out (draws x n); returns how many. `cell`, `event`: where the chain starts, by interval. */
int draw(int n, int cells, int clicks, int width, const int *first_cell, const int *window, const double *weight,
         const double *survival, double sd, double foot, int intervals, const int *begin, const int *end,
         const int *leaving, int bins, const int *bin, double delta, double axis, int *cell, int *event, int total_known,
         int sweeps, int burn_in, int draws, uint64_t seed, double df, double largest, int *cell_out, int *event_out) {
    static int interval[PEOPLE], first[PEOPLE], died[BINS], lost[BINS];
    static double by_event[BINS], by_censoring[BINS], exposure[BINS], cumulative[CELLS];
    Problem p = {n, cells, clicks, width, first_cell, window, weight, survival, 0.5 / (sd * sd), foot};
    double event_scale = 0.3, censoring_scale = 0.5;
    long steps = (long)sweeps * n, start = (long)burn_in * n, every = (steps - start) / draws;
    int out = 0;
    if (n > PEOPLE || cells > CELLS || bins > BINS || clicks > CLICKS) return -1;
    state = seed * 2654435761ULL + 88172645463325252ULL;
    for (int j = 0, i = 0; j < intervals; j++) {
        first[j] = i;
        for (int q = 0; q < leaving[j]; q++) interval[i++] = j;
    }
    memset(events, 0, sizeof events); memset(censored, 0, sizeof censored); memset(fit, 0, sizeof fit);
    for (int i = 0; i < n; i++) put(cell[i], event[i], 1);
    refit(&p, 0); keep(&p, 0);
    for (long it = 0; it < steps; it++) {
        if (it % (n / 2 + 1) == 0) { /* hazards given the patients */
            for (int b = 0; b < bins; b++) { exposure[b] = 0; died[b] = lost[b] = 0; }
            for (int g = 0; g < cells; g++) {
                exposure[bin[g]] += (at_risk[g] - 0.5 * (events[g] + censored[g])) * delta;
                died[bin[g]] += events[g]; lost[bin[g]] += censored[g];
            }
            if (it == 0) for (int b = 0; b < bins; b++) {
                by_event[b] = log((died[b] + 0.5) / (exposure[b] + delta));
                by_censoring[b] = log((lost[b] + 0.5) / (exposure[b] + delta));
            }
            for (int turn = 0; turn < 3; turn++) {
                event_scale = walk(by_event, died, exposure, bins, -log(axis), event_scale, df, largest);
                censoring_scale = walk(by_censoring, lost, exposure, bins, log(0.5 / axis), censoring_scale, df, largest);
            }
            double sum = 0;
            for (int g = 0; g < cells; g++) {
                double both = (exp(by_event[bin[g]]) + exp(by_censoring[bin[g]])) * delta;
                cumulative[g] = sum + both / 2; sum += both;
            }
        }
        if (it >= start && (it - start) % every == 0 && out < draws) {
            memcpy(cell_out + (long)out * n, cell, n * sizeof(int));
            memcpy(event_out + (long)out * n, event, n * sizeof(int));
            out++;
        }
        /* patients given the hazards: i moves or changes kind, alone or with k */
        int i = below(n), k = -1, j = interval[i], to_i = cell[i], kind_i = event[i], to_k = 0, kind_k = 0;
        double move = uniform();
        if (move < 0.5) { /* elsewhere in his interval */
            double how = uniform();
            int step = how < 0.8 ? 1 + below(3) : 1 + below(12);
            to_i = how < 0.4 ? begin[j] + below(end[j] - begin[j]) : to_i + (uniform() < 0.5 ? step : -step);
            if (to_i < begin[j] || to_i >= end[j] || to_i == cell[i]) continue;
        } else if (move < 0.65 && !total_known) { /* the other kind */
            kind_i = !kind_i;
        } else if (move < 0.9) { /* exchange of kinds: with anybody, within the interval, with a neighbouring one */
            int other = move < 0.65 ? interval[below(n)] : move < 0.8 ? j : j + (uniform() < 0.5 ? 1 : -1);
            if (other < 0 || other >= intervals || leaving[other] == 0) continue;
            k = first[other] + below(leaving[other]);
            if (event[k] == kind_i) continue;
            kind_k = kind_i; kind_i = event[k]; to_k = cell[k];
        } else { /* two of an interval, in opposite directions */
            int step = (1 + below(8)) * (uniform() < 0.5 ? 1 : -1);
            k = first[j] + below(leaving[j]);
            if (k == i) continue;
            kind_k = event[k]; to_i += step; to_k = cell[k] - step;
            if (to_i < begin[j] || to_i >= end[j] || to_k < begin[j] || to_k >= end[j]) continue;
        }
        double d = (kind_i ? by_event : by_censoring)[bin[to_i]] - (event[i] ? by_event : by_censoring)[bin[cell[i]]];
        d -= cumulative[to_i] - cumulative[cell[i]];
        int from = to_i < cell[i] ? to_i : cell[i];
        if (k >= 0) {
            d += (kind_k ? by_event : by_censoring)[bin[to_k]] - (event[k] ? by_event : by_censoring)[bin[cell[k]]];
            d -= cumulative[to_k] - cumulative[cell[k]];
            if (cell[k] < from) from = cell[k];
            if (to_k < from) from = to_k;
        }
        put(cell[i], event[i], -1); put(to_i, kind_i, 1);
        if (k >= 0) { put(cell[k], event[k], -1); put(to_k, kind_k, 1); }
        /* somebody leaves where the curve ends */
        if (events[cells - 1] + censored[cells - 1] > 0 && accepted(d + refit(&p, from))) {
            keep(&p, from);
            cell[i] = to_i; event[i] = kind_i;
            if (k >= 0) { cell[k] = to_k; event[k] = kind_k; }
        } else {
            put(to_i, kind_i, -1); put(cell[i], event[i], 1);
            if (k >= 0) { put(to_k, kind_k, -1); put(cell[k], event[k], 1); }
        }
    }
    return out;
}
