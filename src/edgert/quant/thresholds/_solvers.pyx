# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""Searches for the threshold |x| that an 8-bit number is to reach. `solve.py` documents them."""

from libc.math cimport INFINITY, fabsf, isfinite, log
from libc.stdint cimport int32_t, uint32_t, uint64_t
from libc.string cimport memcpy
from libcpp.algorithm cimport lower_bound
from libcpp.vector cimport vector

cdef enum:
    BINS = 32768  # bits of a float32 without its sign and its 16 lowest bits
    FINITE_BINS = 0x7F80  # the rest is infinite or not a number
    LINEAR_BINS = 2048
    OCTAVE_STEPS = 8  # of the squared error's first scan
    OCTAVES = 24
    REFINEMENTS = 16
    LANES = 8

cdef double SPARSE_SHARE = 0.01  # see Distribution.percentile
cdef double SMALLEST_SEARCHED = 1e-30  # weights under it have steps that FP32 holds badly
cdef double SMOOTHING = 1e-4  # what Q gets where it is zero and P is not; see `solve`
cdef double ROUNDING = 1e-12  # sums of logarithms of shares differ by less than this from the truth


cdef inline double lower_edge(uint32_t bin_index) noexcept nogil:
    cdef uint32_t bits = bin_index << 16
    cdef float value = 0
    memcpy(&value, &bits, sizeof(value))
    return value


cdef class Distribution:
    """What a log histogram says of |x|: uniform inside a bin, zero in the first one.

    The last bin ends at the exact maximum. If the maximum is its lower edge, it is a point.
    """

    cdef double absmax
    cdef double total, nonzero
    cdef double point  # values that are exactly `absmax`, where the last bin has no width
    cdef vector[double] edges, counts
    cdef vector[double] density  # this and what follows: see sum_moments
    cdef vector[double] square_below  # sum of x^2 over the bins before
    cdef vector[double] count_above, sum_above, square_above  # over this bin and later ones

    def __cinit__(self, const uint64_t[::1] counts, double absmax):
        cdef uint32_t first = 1, last = FINITE_BINS - 1, b
        if counts.shape[0] != BINS:
            raise ValueError(f"a log histogram has {BINS} counts, not {counts.shape[0]}")
        if not (isfinite(absmax) and absmax >= 0):
            raise ValueError(f"the largest magnitude must be finite and not negative, not {absmax}")
        while first < FINITE_BINS and counts[first] == 0:
            first += 1
        while last > 0 and counts[last] == 0:
            last -= 1
        if not lower_edge(last) <= absmax < lower_edge(last + 1):
            raise ValueError(
                f"the largest magnitude, {absmax}, is not in the histogram's last bin, "
                f"[{lower_edge(last)}, {lower_edge(last + 1)})"
            )
        self.absmax = absmax
        self.nonzero = 0
        self.point = 0
        if last >= first:
            self.edges.resize(last - first + 1)
            self.counts.resize(last - first + 1)
            for b in range(first, last + 1):
                self.edges[b - first] = lower_edge(b)
                self.counts[b - first] = <double>counts[b]
                self.nonzero += <double>counts[b]
            if self.edges.back() == absmax:
                self.point = self.counts.back()
                self.counts.pop_back()
            else:
                self.edges.push_back(absmax)
        else:
            self.edges.push_back(absmax)
        self.total = self.nonzero + <double>counts[0]

    cdef void sum_moments(self) noexcept nogil:
        """Only for those who ask for errors: it takes as long as all else here."""
        cdef size_t size = self.counts.size(), i
        cdef double low, high, square
        if not self.square_below.empty():
            return
        self.density.resize(size)
        self.square_below.resize(size + 1)
        self.count_above.resize(size + 1)
        self.sum_above.resize(size + 1)
        self.square_above.resize(size + 1)
        for i in range(size):
            low, high = self.edges[i], self.edges[i + 1]
            self.density[i] = self.counts[i] / (high - low)
            square = self.counts[i] * (low * low + low * high + high * high) / 3
            self.square_below[i + 1] = self.square_below[i] + square
        for i in range(size, 0, -1):
            low, high = self.edges[i - 1], self.edges[i]
            square = self.counts[i - 1] * (low * low + low * high + high * high) / 3
            self.count_above[i - 1] = self.count_above[i] + self.counts[i - 1]
            self.sum_above[i - 1] = self.sum_above[i] + self.counts[i - 1] * (low + high) / 2
            self.square_above[i - 1] = self.square_above[i] + square

    def percentile(self, double percentile):
        """The threshold over which this share of all values lies, in percent; see `solve`."""
        cdef double share = 1 - percentile / 100, clipped = self.point, wanted
        cdef size_t i = self.counts.size()
        if not 0 <= percentile <= 100:
            raise ValueError(f"a percentile lies between 0 and 100, not at {percentile}")
        wanted = min(share * self.total, max(share, SPARSE_SHARE) * self.nonzero)
        if wanted <= clipped:
            return self.absmax
        while i > 0:
            i -= 1
            if clipped + self.counts[i] >= wanted:
                share = (wanted - clipped) / self.counts[i]
                return self.edges[i + 1] - share * (self.edges[i + 1] - self.edges[i])
            clipped += self.counts[i]
        return self.edges[0]

    def error(self, double threshold, int levels):
        """Mean of (x - x')^2, where x' is x rounded to `levels` steps up to the threshold."""
        if not (threshold > 0 and levels > 0):
            raise ValueError(f"threshold {threshold} and levels {levels} must be positive")
        self.sum_moments()
        return self.squared_error(threshold, levels) / max(self.total, 1)

    cdef double squared_error(self, double threshold, int levels) noexcept nogil:
        cdef double step = threshold / levels, inverse = 1 / step
        cdef size_t size = self.counts.size()
        cdef size_t begin, end, i
        cdef double before, after, distance, inner = 0, result
        # Bins that round to zero as a whole end at or before `begin`; those that go to the last
        # level as a whole start at or after `end`.
        begin = lower_bound(self.edges.begin(), self.edges.end(), step / 2) - self.edges.begin()
        begin = min(begin - 1 if begin > 0 else 0, size)
        end = lower_bound(self.edges.begin(), self.edges.end(), (levels - 0.5) * step) \
            - self.edges.begin()
        end = max(begin, min(end, size))
        result = self.square_below[begin] + self.square_above[end] \
            - 2 * threshold * self.sum_above[end] + threshold * threshold * self.count_above[end]
        before = rounding_integral(self.edges[begin] * inverse, levels)
        for i in range(begin, end):
            after = rounding_integral(self.edges[i + 1] * inverse, levels)
            inner += self.density[i] * (after - before)
            before = after
        distance = self.absmax - step * nearest_level(self.absmax * inverse, levels)
        return result + inner * step * step * step + self.point * distance * distance

    def mse(self, int levels):
        """The threshold with the smallest `error`."""
        cdef double best = self.absmax, threshold, low, high, found, smallest
        cdef int k, _
        if self.nonzero == 0:
            return self.absmax
        with nogil:
            self.sum_moments()
            smallest = self.squared_error(best, levels)
            for k in range(1, OCTAVES * OCTAVE_STEPS + 1):
                threshold = self.absmax * 2 ** (-<double>k / OCTAVE_STEPS)
                if threshold < self.edges[0]:
                    break
                found = self.squared_error(threshold, levels)
                if found < smallest:
                    best, smallest = threshold, found
            low = best * 2 ** (-1.0 / OCTAVE_STEPS)
            high = min(best * 2 ** (1.0 / OCTAVE_STEPS), self.absmax)
            for _ in range(2):
                for k in range(REFINEMENTS + 1):
                    threshold = low + (high - low) * k / REFINEMENTS
                    found = self.squared_error(threshold, levels)
                    if found < smallest:
                        best, smallest = threshold, found
                found = (high - low) / REFINEMENTS
                low, high = best - found, min(best + found, self.absmax)
        return best

    cdef void spread(self, vector[double]& bins) noexcept nogil:
        """The shares of LINEAR_BINS equal bins from 0 to the maximum."""
        cdef double width = self.absmax / LINEAR_BINS, low, high, share, density, total = 0
        cdef size_t i
        cdef int j
        bins.assign(LINEAR_BINS, 0.0)
        bins[LINEAR_BINS - 1] = self.point
        for i in range(self.counts.size()):
            low, high = self.edges[i], self.edges[i + 1]
            density = self.counts[i] / (high - low)
            j = <int>(low / width)
            while j < LINEAR_BINS and j * width < high:
                share = min(high, (j + 1) * width) - max(low, j * width)
                if share > 0:
                    bins[j] += density * share
                j += 1
        bins[0] = bins[1]
        for j in range(LINEAR_BINS):
            total += bins[j]
        for j in range(LINEAR_BINS):
            bins[j] /= total

    def entropy(self, int levels):
        """The threshold with the smallest Kullback-Leibler divergence; see `solve`."""
        cdef vector[double] bins
        cdef int best
        if levels & (levels - 1) or not 1 < levels <= LINEAR_BINS:
            raise ValueError(f"levels must be a power of two up to {LINEAR_BINS}, not {levels}")
        if self.nonzero == 0:
            return self.absmax
        with nogil:
            self.spread(bins)
            best = best_kept_bins(bins, levels)
        return self.absmax * best / LINEAR_BINS


cdef inline int nearest_level(double x, int levels) noexcept nogil:
    """Halves up: even or not makes no difference to the error."""
    return levels if x >= levels else <int>(x + 0.5)


cdef inline double rounding_integral(double x, int levels) noexcept nogil:
    """The integral of (t - level(t))^2 over t from 0 to x, in steps."""
    cdef double level = nearest_level(x, levels)
    cdef double rest = x - level
    return level / 12 + rest * rest * rest / 3


cdef inline double x_log_x(double x) noexcept nogil:
    return x * log(x) if x > 0 else 0


cdef int best_kept_bins(const vector[double]& bins, int levels) noexcept nogil:
    """How many of the bins to keep: of equal divergences the one that clips least.

    With P the kept bins, the clipped ones added to the last, and Q the mean of each level's kept
    bins over those where P is not zero:
        KL(P || Q) = sum_j P_j log P_j - sum_level P_level log(mean_level / kept).
    All but the last level's terms depend on its first bin and its size alone, and there are at most
    LINEAR_BINS / levels + 1 sizes: a table of them makes a candidate a sum of `levels` numbers.
    """
    cdef int most = LINEAR_BINS // levels + 1
    cdef vector[double] terms, entropy, kept_share, clipped_share
    cdef int i, kept, size, begin, end, used, level, best = LINEAR_BINS
    cdef double mass, tail, divergence, smallest = INFINITY
    terms.resize((most + 1) * LINEAR_BINS)
    entropy.resize(LINEAR_BINS + 1)
    kept_share.resize(LINEAR_BINS + 1)
    clipped_share.resize(LINEAR_BINS + 1)
    for i in range(LINEAR_BINS):
        entropy[i + 1] = entropy[i] + x_log_x(bins[i])
        kept_share[i + 1] = kept_share[i] + bins[i]
        mass, used = 0, 0
        for size in range(1, min(most, LINEAR_BINS - i) + 1):
            mass += bins[i + size - 1]
            used += bins[i + size - 1] > 0
            if used > 0:
                terms[size * LINEAR_BINS + i] = mass * log(mass / used)
    for i in range(LINEAR_BINS, 0, -1):
        clipped_share[i - 1] = clipped_share[i] + bins[i - 1]

    for kept in range(LINEAR_BINS, levels - 1, -1):
        tail = clipped_share[kept]
        begin, divergence = 0, 0
        for level in range(1, levels):
            end = (level * kept + levels - 1) // levels
            divergence -= terms[(end - begin) * LINEAR_BINS + begin]
            begin = end
        mass, used = 0, 0
        for i in range(begin, kept):
            mass += bins[i]
            used += bins[i] > 0
        used += tail > 0 and bins[kept - 1] == 0
        if kept_share[kept] == 0:
            break
        if mass > 0:
            divergence -= (mass + tail) * log(mass / used)
        elif tail > 0:
            divergence -= tail * log(SMOOTHING * kept_share[kept]) + (1 - tail) * log(1 - SMOOTHING)
        divergence += entropy[kept - 1] + x_log_x(bins[kept - 1] + tail) + log(kept_share[kept])
        if divergence < smallest - ROUNDING:
            best, smallest = kept, divergence
    return best


cdef double channel_error(const float* w, Py_ssize_t size, float step) noexcept nogil:
    """Sum of squared errors of rounding to [-127, 127] steps, in squared steps."""
    cdef float[LANES] sums
    cdef float inverse = 1 / step, x
    cdef double total = 0
    cdef Py_ssize_t i = 0, block
    cdef int k
    while i < size:
        block = min(size - i, 64 * LANES)
        for k in range(LANES):
            sums[k] = 0
        while block >= LANES:
            for k in range(LANES):
                x = fabsf(w[i + k]) * inverse
                x -= <float><int32_t>(min(x, <float>127) + <float>0.5)
                sums[k] += x * x
            i += LANES
            block -= LANES
        for k in range(<int>block):
            x = fabsf(w[i + k]) * inverse
            x -= <float><int32_t>(min(x, <float>127) + <float>0.5)
            sums[k] += x * x
        i += block
        for k in range(LANES):
            total += sums[k]
    return total


def search_weight_thresholds(const float[:, ::1] weights, double[::1] thresholds):
    """Lower each row's threshold, its largest magnitude, to that of the smallest squared error."""
    cdef Py_ssize_t rows = weights.shape[0], size = weights.shape[1], row
    cdef double largest, best, smallest, threshold, found, step, low
    cdef int k
    if thresholds.shape[0] != rows:
        raise ValueError(f"{rows} rows need as many thresholds, not {thresholds.shape[0]}")
    with nogil:
        for row in range(rows if size > 0 else 0):
            largest = thresholds[row]
            if largest < SMALLEST_SEARCHED:
                continue
            best, smallest = largest, INFINITY
            for k in range(36):  # to 0.3 of the largest
                threshold = largest * (1 - 0.02 * k)
                step = threshold / 127
                found = channel_error(&weights[row, 0], size, <float>step) * step * step
                if found < smallest:
                    best, smallest = threshold, found
            low = best - 0.02 * largest
            for k in range(1, 16):
                threshold = min(low + 0.0025 * largest * k, largest)
                step = threshold / 127
                found = channel_error(&weights[row, 0], size, <float>step) * step * step
                if found < smallest:
                    best, smallest = threshold, found
            thresholds[row] = best
