"""Money worked out by hand: a fleet's bill part by part, a trend of three prices, spot servers, worlds of chance."""

import dataclasses
import math

import numpy as np
import pytest
from refusals import assert_refused_by_name_and_value, each_of

from dcserver import catalog, cost, energy, training
from dcserver.units import GB, TB, day, hour, kWh, year

DGX = catalog.server("DGX H100")
H100_LIMIT = 700.0  # W
C = dict(catalog.constants("cost"))

# Ten servers at 100,000 dollars with a fifth of that for network and storage: 1.2 million. All else in round numbers.
FLEET = {"server_price": 100_000, "utilization": 0.5, "years": 4, "rate": 0.1, "residual": 0.2, "tariff": 1e-8, "pue": 1.5,
         "colocation_price": 2.0, "network_share": 0.15, "storage_share": 0.05, "servers_per_administrator": 20,
         "salary": 100_000, "software": 50, "maintenance": 0.05, "decommissioning": 0.02}  # fmt: skip
HARDWARE = 10 * 100_000 * 1.2


def fleet(**changes):
    return cost.own(DGX, 10, **(FLEET | changes))


def watts(accelerator, host):
    """Ten servers at the plug [W]."""
    return 10 * energy.server_power(DGX, accelerator, host).total


class TestAFleetByHand:
    def test_what_was_bought_loses_a_fifth_of_its_price_a_year(self):
        o = fleet()
        assert o.price == pytest.approx(HARDWARE)
        assert o.servers == pytest.approx(1e6 * 0.8 / 4)
        assert o.network_and_storage == pytest.approx(0.2e6 * 0.8 / 4)

    def test_capital_comes_back_with_interest(self):
        # Equal yearly amounts worth the price less the resale, discounted.
        yearly = HARDWARE * (1 - 0.2 / 1.1**4) * 0.1 / (1 - 1.1**-4)
        assert fleet().interest == pytest.approx(yearly - HARDWARE * 0.8 / 4)
        assert fleet(rate=0.0).interest == 0

    def test_people_licences_repairs(self):
        o = fleet()
        assert o.staff == pytest.approx(10 / 20 * 100_000)
        assert o.software == pytest.approx(10 * 8 * 50)
        assert o.maintenance == pytest.approx(0.05 * HARDWARE)

    def test_savings_for_the_removal_grow_to_what_it_costs(self):
        saved = fleet().decommissioning
        assert saved * (1.1**3 + 1.1**2 + 1.1 + 1) == pytest.approx(0.02 * HARDWARE)

    def test_electricity_is_idle_watts_always_and_the_rest_while_there_is_work(self):
        busy, idle = watts(C["load_share"] * H100_LIMIT, 0.3), watts(C["idle_share"] * H100_LIMIT, 0.0)
        o = fleet()
        assert o.electricity == pytest.approx((busy + idle) / 2 * year * 1e-8)
        assert o.cooling == pytest.approx(0.5 * o.electricity)
        assert o.spared == pytest.approx(0.5 * (busy - idle) * year * 1e-8 * 1.5)
        assert o.accelerators == 80
        assert o.variable_per_used_hour == pytest.approx((busy - idle) / 80 * hour * 1e-8 * 1.5)

    def test_rented_space_is_paid_for_the_watts_of_the_data_sheet(self):
        assert fleet().space == pytest.approx(2.0 * 10 * 10_200)

    def test_without_a_data_sheets_watts_space_is_paid_for_all_accelerators_at_their_limit(self):
        unknown = dataclasses.replace(DGX, max_power=float("nan"))
        assert cost.own(unknown, 10, **FLEET).space == pytest.approx(2.0 * watts(H100_LIMIT, 0.3))

    def test_a_building_is_paid_off_with_interest_and_is_worth_nothing_in_the_end(self):
        n, built = C["facility_years"], 12.0 * 10 * 10_200
        rented, owned = fleet(), fleet(own_building=True, facility_price=12.0)
        assert owned.space == pytest.approx(built / n)
        assert owned.interest - rented.interest == pytest.approx(built * 0.1 / (1 - 1.1**-n) - built / n)

    def test_an_accelerator_that_draws_less_at_work_than_idle_saves_nothing(self):
        o = fleet(accelerator_power=1.0)
        assert o.spared == 0
        assert o.electricity == pytest.approx(watts(C["idle_share"] * H100_LIMIT, 0.0) * year * 1e-8)

    def test_other_constants_are_used_for_all_that_is_not_given(self):
        doubled = C | {"salary": 2 * C["salary"], "load_share": 1.0}
        o, plain = cost.own(DGX, 10, constants=doubled), cost.own(DGX, 10)
        assert o.staff == pytest.approx(2 * plain.staff)
        assert o.electricity == pytest.approx(cost.own(DGX, 10, accelerator_power=H100_LIMIT).electricity)
        assert plain.utilization == 0.7

    def test_a_building_of_ones_own_is_not_the_default(self):
        assert cost.own(DGX).space == cost.own(DGX, own_building=False).space != cost.own(DGX, own_building=True).space

    def test_a_server_without_accelerators_is_refused_whatever_it_costs(self):
        with pytest.raises(ValueError, match="no accelerators"):
            cost.own(dataclasses.replace(DGX, accelerators=0), server_price=1.0)


class TestMoneyInTimeByHand:
    def test_a_hundred_dollars_in_one_and_in_two_years(self):
        assert cost.present_value([100, 100], 0.25) == pytest.approx(100 / 1.25 + 100 / 1.25**2)
        many = cost.present_value([[100, 100], [0, 100]], np.array([0.25, 0.0]))
        assert many == pytest.approx([144, 100])

    def test_annuities_of_many_rates_are_those_of_each(self):
        # 1.5^-2 = 4/9, so 0.5 / (1 - 4/9) = 0.9.
        assert cost.annuity_factor(np.array([0.0, 0.5]), 2) == pytest.approx([0.5, 0.9])

    def test_half_gone_in_a_year_is_the_mean_of_what_is_left(self):
        # Integral of 2^-t over a year: (1 - 1/2) / ln 2; over two: (1 - 1/4) / ln 2, each of two years.
        assert cost.mean_rent(8.0, 0.5, 1) == pytest.approx(8 * 0.5 / math.log(2))
        assert cost.mean_rent(8.0, 0.5, 2) == pytest.approx(8 * 0.75 / math.log(2) / 2)

    def test_a_rent_that_rises_as_money_loses_value_is_level_in_todays_dollars(self):
        # Then each year costs the same today, rent x years; without the rise it costs rent x D(rate, years).
        discount = math.log(1.25)
        worth = (1 - 1.25**-3) / discount
        assert cost.mean_rent(2.0, -0.25, 3, 0.25) == pytest.approx(2 * 3 / worth)

    def test_a_line_through_three_prices(self):
        # ln price: 0, -1, -1. Slope -1/2, distances 1/6, -1/3, 1/6: scatter sqrt(1/6); Student 3.08 for one degree.
        trend = cost.price_trend([2021, 2020, 2022], np.exp([-1, 0, -1]))
        wide = 3.08 * math.sqrt(1 / 6) / math.sqrt(2)
        assert trend.decline == pytest.approx(1 - math.exp(-0.5))
        assert trend.low == pytest.approx(1 - math.exp(-0.5 + wide))
        assert trend.high == pytest.approx(1 - math.exp(-0.5 - wide))
        assert trend.scatter == pytest.approx(math.exp(math.sqrt(1 / 6)) - 1)
        assert trend.today == pytest.approx(math.exp(-2 / 3 - 0.5))

    # One-sided 90 % of Student's distribution, from any table.
    @pytest.mark.parametrize(("prices", "student"), [
        (3, 3.078), (4, 1.886), (5, 1.638), (6, 1.533), (7, 1.476), (8, 1.440), (9, 1.415), (10, 1.397), (11, 1.383), (40, 1.38),
    ])  # fmt: skip
    def test_four_fits_of_five_lie_within_students_distance(self, prices, student):
        dates = np.arange(prices) + 2000.0
        trend = cost.price_trend(dates, np.exp((-1.0) ** np.arange(prices) / 10))
        half = math.log((1 - trend.low) / (1 - trend.decline))
        across = math.sqrt(np.sum((dates - dates.mean()) ** 2))
        assert half * across / math.log1p(trend.scatter) == pytest.approx(student, abs=0.006)

    @pytest.mark.parametrize(("dates", "prices"), [([1, 2, 3], [1, 2]), ([[1, 2, 3]], [[1, 2, 3]])])
    def test_a_trend_wants_a_price_for_each_date_in_a_row(self, dates, prices):
        with pytest.raises(ValueError, match="equally many"):
            cost.price_trend(dates, prices)

    def test_what_doubles_yearly_is_eightfold_in_three(self):
        assert cost.compound(5, 1.0, np.array([0, 1, 3])) == pytest.approx([5, 10, 40])
        assert cost.implied_growth(5, np.array([10.0, 40.0]), np.array([1, 3])) == pytest.approx([1, 1])


class TestRentingByHand:
    def test_seconds_are_rounded_up_to_the_second_where_nothing_is_said(self):
        assert cost.billed(10.2) == 11
        assert cost.billed(np.array([0.0, 1.0, 61.0]), 60, 100) == pytest.approx([0, 100, 120])

    @pytest.mark.parametrize(("terabytes", "dollars"), [
        (5, 5e3 * 0.09), (10, 900), (30, 900 + 20e3 * 0.085), (50, 900 + 3400), (100, 4300 + 50e3 * 0.07),
        (150, 4300 + 7000), (151, 11_300 + 1e3 * 0.05),
    ])  # fmt: skip
    def test_each_tier_has_its_price(self, terabytes, dollars):
        assert cost.egress(terabytes * TB, free=0) == pytest.approx(dollars)

    def test_free_bytes_are_those_given_or_those_of_the_constants(self):
        assert cost.egress(1 * TB, free=0.5 * TB) == pytest.approx(500 * 0.09)
        assert cost.egress(1 * TB, constants={"egress_free": 900 * GB}) == pytest.approx(100 * 0.09)

    def test_every_kind_of_offer_is_found_and_only_its_own(self):
        names = [set(cost.quotes("H100 SXM", kind)) for kind in ("on-demand", "reserved", "spot", "market")]
        assert all(names)
        assert len(set.union(*names)) == sum(map(len, names))
        assert cost.quotes("H100 SXM") == cost.quotes(catalog.accelerator("H100 SXM"), "on-demand")

    def test_useful_work_among_interruptions(self):
        # One an hour; half an hour of work, 6 minutes to save, 12 to restart: exp(0.2) (exp(0.6) - 1) / 0.5.
        s = cost.spot(2.0, 1 / hour, 1800, checkpoint=360, restart=720, wait=1800)
        paid = math.exp(0.2) * (math.exp(0.6) - 1) / 0.5
        assert s.paid_ratio == pytest.approx(paid)
        assert s.elapsed_ratio == pytest.approx(paid * 1.5)  # half an hour lost for each hour paid
        assert s.price == pytest.approx(2 * paid)
        assert s.asked == 2
        assert s.breakdown["lost and repeated"] == pytest.approx(2 * paid - 2)
        assert s.interval == 1800

    def test_a_minute_to_save_and_ten_to_restart_where_nothing_is_said(self):
        said = cost.spot(2.0, 1e-5, 3600, checkpoint=60, restart=600, wait=0)
        assert cost.spot(2.0, 1e-5, 3600) == said
        quiet = cost.simulate_spot(7200, 0.0, 3600)
        assert quiet.shape == (1000,)
        assert (quiet == 2 * 3660).all()

    def test_fifty_interruptions_in_an_interval_are_too_many(self):
        assert np.isfinite(cost.spot(1.0, 0.01, 4000, checkpoint=380, restart=600).price)  # 49.8
        with pytest.raises(ValueError, match="undisturbed"):
            cost.spot(1.0, 0.01, 4000, checkpoint=450, restart=600)  # 50.5

    @pytest.mark.parametrize("checkpoint", [1.0, 30.0, 600.0])
    @pytest.mark.parametrize("rate", [1e-6, 1e-4, 1e-3])
    def test_the_best_interval_solves_its_equation(self, rate, checkpoint):
        w = cost.best_interval(rate, checkpoint)
        assert math.exp(-rate * (w + checkpoint)) == pytest.approx(1 - rate * w, abs=1e-9)

    def test_the_best_interval_lies_between_a_second_and_a_week(self):
        assert cost.best_interval(np.array([10.0, 1e-15, 0.0]), 1e-3).tolist() == [1.0, 7 * day, 7 * day]

    def test_histories_round_up_to_whole_intervals_and_repeat_with_their_seed(self):
        assert (cost.simulate_spot(1201, 0.0, 600, checkpoint=10, runs=3) == 3 * 610).all()
        assert (cost.simulate_spot(1200, 0.0, 600, checkpoint=10, runs=3) == 2 * 610).all()
        a, b, c = (cost.simulate_spot(36_000, 1e-4, 3600, runs=50, seed=s) for s in (0, 0, 1))
        assert (a == b).all()
        assert (a != c).any()
        assert (cost.simulate_spot(36_000, 1e-4, 3600, runs=50) == a).all()

    def test_most_histories_lie_a_little_above_the_quiet_one(self):
        seen = cost.simulate_spot(10 * hour, 1 / (1000 * hour), hour, checkpoint=60, restart=600, runs=2000)
        quiet = 10 * (hour + 60)
        # Some 1 % meet an interruption, and it costs less than an interval and a restart more.
        assert (seen >= quiet - 1e-6).all()
        assert 0.002 < (seen > quiet + 1e-6).mean() < 0.025
        assert seen.max() < quiet + 2 * (hour + 660)

    def test_twelve_months_take_a_year_of_reclaims(self):
        # Half a month's servers gone: ln 2 a month, so a rate of 12 ln 2 a year; three servers thrice.
        assert cost.reclaim_rate(0.5, 3) * year == pytest.approx(3 * 12 * math.log(2))


class TestBreakEvenByHand:
    def test_what_was_spent_after_two_years_without_any_rates(self):
        owned, rented = cost.rent_or_own(24, 1000.0, 0.1, 2.0)
        assert owned == pytest.approx(1000 + 2 * 8766 * 0.1)
        assert rented == pytest.approx(2 * 8766 * 0.7 * 2.0)

    def test_what_was_spent_month_by_month(self):
        t = (np.arange(20_000) + 0.5) * 3 / 20_000  # three years
        owned, rented = cost.rent_or_own(36, 1000.0, 0.1, 2.0, 0.5, 0.2, 0.6, 0.3, 0.05)
        worth = 1.05**-t
        sold = 0.6 * 0.7**3 / 1.05**3
        assert owned == pytest.approx(1000 * (1 - sold) + 8766 * 0.1 * 3 * worth.mean())
        assert rented == pytest.approx(8766 * 0.5 * 2 * 3 * (worth * 0.8**t).mean())

    def test_a_month_beyond_the_horizon_never_comes(self):
        given = (8766 * 3.0, 0.0, 3.0, 1.0)
        assert cost.break_even_months(*given, horizon=13) == 12
        assert cost.break_even_months(*given, horizon=11) == np.inf

    def test_five_years_are_looked_ahead(self):
        # Where nothing falls, price / (rent x use) hours: 59 months are seen, 61 are not.
        for months, seen in ((59, 59), (61, np.inf)):
            assert cost.break_even_months(months / 12 * 8766 * 2.1, 0.0, 3.0) == pytest.approx(seen)

    def test_what_costs_nothing_leads_from_the_start(self):
        assert cost.break_even_months(0.0, 0.0, 3.0) == 0

    def test_electricity_as_dear_as_the_rent_leaves_nothing_to_earn(self):
        assert cost.break_even_utilization(1.0, 3.0, np.array([3.0, 4.0])).tolist() == [np.inf, 1.0]

    def test_a_triangle_has_its_share_below_the_likeliest(self):
        # A quarter of the way: a quarter of the worlds; and half of those below 1 / sqrt(2) of that quarter.
        x = cost.draws({"x": (0.0, 1.0, 4.0)}, 40_000)["x"]
        assert (x < 1).mean() == pytest.approx(1 / 4, abs=0.01)
        assert (x < 1 / math.sqrt(2)).mean() == pytest.approx(1 / 8, abs=0.01)
        assert (x > 4 - 3 / math.sqrt(2)).mean() == pytest.approx(3 / 8, abs=0.01)
        assert x.var() == pytest.approx((0 + 1 + 16 - 0 - 0 - 4) / 18, rel=0.03)

    def test_inputs_are_drawn_apart(self):
        x = cost.draws({"a": (0, 1, 2), "fixed": (1, 1, 1), "b": (0, 1, 2)})
        assert x["a"].shape == x["fixed"].shape == (100_000,)
        assert abs(np.corrcoef(x["a"], x["b"])[0, 1]) < 0.02

    def test_the_spread_of_a_hundred_and_one_worlds(self):
        spread = cost.Spread(np.arange(101.0), {"up": np.arange(101.0) ** 3, "down": -np.arange(101.0) % 50})
        assert spread.median == 50
        assert spread.interval == (10, 90)
        assert spread.quantile([0.25, 1.0]).tolist() == [25, 100]
        assert spread.share_below(10) == pytest.approx(11 / 101)
        weights = spread.importance()
        assert list(weights) == ["up", "down"]
        assert weights["up"] == pytest.approx(1)  # ranks rise together, however crooked the curve
        assert -1 < weights["down"] < 0

    def test_uncertain_worlds_are_the_drawn_ones(self):
        ranges = {"a": (0, 1, 2), "b": (3, 3, 3)}
        spread = cost.uncertain(lambda a, b: a * b, ranges, 500, seed=4)
        drawn = cost.draws(ranges, 500, seed=4)
        assert (spread.values == 3 * drawn["a"]).all()
        assert (spread.inputs["a"] == drawn["a"]).all()
        assert (cost.uncertain(lambda a, b: a, ranges, 500).values == cost.draws(ranges, 500)["a"]).all()
        assert cost.uncertain(lambda a, b: 7.0, ranges, 500).values.shape == (500,)
        assert cost.uncertain(lambda a, b: a, ranges).values.shape == (100_000,)

    def test_a_tornado_names_the_widest_first_whichever_way_it_turns(self):
        found = cost.tornado(lambda a, b, c: a - 10 * b + 0 * c, {"a": (0, 1, 2), "b": (0, 1, 2), "c": (0, 1, 2)})
        assert found == {"b": (1.0, -19.0), "a": (-10.0, -8.0), "c": (-9.0, -9.0)}
        assert list(found) == ["b", "a", "c"]


class TestJobsByHand:
    CLUSTER = catalog.Cluster(server=catalog.server("DGX A100"), servers=64)
    PLAN = training.Plan(data_parallel=512, micro_batch=4, zero_stage=1)
    STEP = training.step(catalog.transformer("LLaMA 7B"), CLUSTER, PLAN, 2048, stack="FSDP 2023")

    def test_each_cause_has_its_share_of_the_step(self):
        run = cost.training_run(self.STEP, 1e12, 2.0, goodput=0.8)
        told = self.STEP.breakdown
        arithmetic = told["forward"] + told["backward"] + told["embedding and logits"]
        assert run.breakdown["arithmetic"] == pytest.approx(0.8 * run.bill * arithmetic / self.STEP.time)
        assert run.breakdown["recomputation"] == pytest.approx(0.8 * run.bill * told["recomputation"] / self.STEP.time)

    def test_the_bill_is_as_uncertain_as_the_step(self):
        run = cost.training_run(self.STEP, 1e12, 2.0)
        for end, usd in zip(self.STEP.interval, run.interval, strict=True):
            assert usd == pytest.approx(run.bill * end / self.STEP.time)

    def test_electricity_is_the_meters_joules_at_the_tariff(self):
        run = cost.training_run(self.STEP, 1e12, 2.0, pue=1.5, tariff=2e-8)
        assert run.energy == pytest.approx(1.5 * self.STEP.power * run.time)
        assert run.electricity == pytest.approx(2e-8 * run.energy)

    def test_nine_tenths_of_the_hours_count_where_nothing_is_said(self):
        run, said = (
            cost.training_run(self.STEP, 1e12, 2.0),
            cost.training_run(self.STEP, 1e12, 2.0, 0.9, 1.3, 0.08 / kWh),
        )
        assert (run.bill, run.energy, run.electricity) == (said.bill, said.energy, said.electricity)

    def test_a_price_per_token_of_many_fleets(self):
        # 3,600 tokens an hour and card cost the card's hour.
        assert cost.token_price(np.array([1.0, 2.0]), 3.6e-3) == pytest.approx([1.0, 0.5])
        assert cost.token_price(1.0, 3.6e-3, accelerators=4, utilization=0.5) == pytest.approx(8)

    def test_the_documents_formula_adds_its_parts(self):
        assert cost.stated_cost(2, 10) == 20
        assert cost.stated_cost(2, 10, 3) == 23
        assert cost.stated_cost(2, 10, 3, 5) == 28


FORECAST = {"months": 12, "price": 1, "running": 1, "rent": 1}
SPOT = {"price": 1, "interruptions": 1e-5}
HISTORY = {"work": 100, "interruptions": 1e-5, "interval": 10}
TOKENS = {"tokens_per_second": 1, "price": 1}
OWN = {"server": DGX}
TRAIN = {"step": TestJobsByHand.STEP, "tokens": 1, "price": 1}
STATED = {"instance_price": 1, "hours": 1}
BAD = [
    (cost.annuity_factor, {"rate": 0.1, "years": 1}, {"rate": (-0.1, 11), "years": (0,)}),
    (cost.present_value, {"payments": [1, 2], "rate": 0.1}, {"rate": (-0.1, 11)}),
    (cost.capital_cost, {"price": 1, "residual": 0.1, "rate": 0.1, "years": 1}, {"price": (-1,), "residual": (-0.1, 1.1)}),
    (cost.mean_rent, {"rent": 1, "decline": 0.1, "years": 1},
     {"rent": (-1,), "decline": (-1.5, 1), "years": (0,), "rate": (-0.1, 11)}),
    (cost.compound, {"value": 1, "growth": 0.1, "years": 1}, {"value": (-1,), "growth": (-1.5, 101)}),
    (cost.implied_growth, {"start": 1, "end": 1, "years": 1}, {"start": (0,), "end": (0,), "years": (0,)}),
    (cost.break_even_utilization, {"fixed_per_hour": 1, "variable_per_used_hour": 1, "rent": 1},
     {"fixed_per_hour": (-1,), "variable_per_used_hour": (-1,), "rent": (-1,)}),
    (cost.rent_or_own, FORECAST,
     {"months": (-1,), "price": (-1,), "running": (-1,), "rent": (-1,), "utilization": (-0.1, 1.5), "resale": (-0.1, 1.5),
      "price_decline": (-1.5, 1), "resale_decline": (-1.5, 1), "rate": (-0.1, 11)}),
    (cost.break_even_months, {"price": 1, "running": 1, "rent": 1}, {"horizon": (0,)}),
    (cost.draws, {"ranges": {}}, {"count": (0, 1.5)}),
    (cost.billed, {"seconds": 1}, {"seconds": (-1,), "granularity": (0,), "minimum": (-1,)}),
    (cost.egress, {"bytes_a_month": 1}, {"bytes_a_month": (-1,), "free": (-1,)}),
    (cost.committed, {"price": 1, "utilization": 0.5}, {"price": (-1,), "utilization": (0, 1.5)}),
    (cost.reclaim_rate, {"monthly_share": 0.1}, {"monthly_share": (-0.1, 1), "servers": (0, 1.5)}),
    (cost.spot, SPOT, {"price": (-1,), "interruptions": (-1,), "checkpoint": (-1,), "restart": (-1,), "wait": (-1,),
                       "interval": (0,)}),
    (cost.best_interval, {"interruptions": 1e-5, "checkpoint": 1}, {"interruptions": (-1,), "checkpoint": (-1,)}),
    (cost.simulate_spot, HISTORY, {"work": (0,), "interval": (0,), "interruptions": (-1,), "checkpoint": (-1,),
                                   "restart": (-1,), "runs": (0, 1.5)}),
    (cost.token_price, TOKENS, {"tokens_per_second": (0,), "price": (-1,), "accelerators": (0,), "utilization": (0, 1.5)}),
    (cost.stated_cost, STATED, {"instance_price": (-1,), "hours": (-1,), "transfer": (-1,), "staff": (-1,)}),
    (cost.training_run, TRAIN, {"tokens": (0,), "goodput": (0, 1.5), "price": (-1,), "tariff": (-1,), "pue": (0.5, 6)}),
    (cost.own, OWN, {"servers": (0,), "servers_per_administrator": (0,), "pue": (0.5, 6), "utilization": (0.005, 1.5),
                     **dict.fromkeys(("tariff", "colocation_price", "facility_price", "network_share", "storage_share",
                                      "salary", "software", "maintenance", "decommissioning"), (-1,))}),
]  # fmt: skip


@each_of(BAD)
def test_what_cannot_be_is_named_with_its_value(f, good, name, value):
    assert_refused_by_name_and_value(f, good, name, value)
