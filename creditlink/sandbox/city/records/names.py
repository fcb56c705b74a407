"""Registration facts, and names that could be a firm's, in Chinese and English."""

from __future__ import annotations

import numpy as np
import polars as pl

from creditlink.engine.facts.frames import FRAME_SCHEMAS
from creditlink.engine.vocabulary import ENTITY_TYPES
from creditlink.sandbox.city.codes import codes
from creditlink.sandbox.city.economy import REGIONS, TRADES, USUAL_SIZE
from creditlink.sandbox.city.latent import Firms

_FIRST = (
    "恒heng 鑫xin 宏hong 盛sheng 泰tai 华hua 永yong 金jin 顺shun 隆long 瑞rui 嘉jia 祥xiang 德de 佳jia 创chuang 汇hui "
    "利li 荣rong 安an 博bo 铭ming 骏jun 锦jin 联lian 正zheng 广guang 丰feng 万wan 新xin 立li 卓zhuo 星xing 天tian "
    "海hai 聚ju 诚cheng 昌chang 旭xu 腾teng 振zhen 启qi 亿yi 润run 信xin 伟wei 凯kai 百bai 优you 南nan"
)
_SECOND = (
    "达da 盛sheng 丰feng 源yuan 兴xing 通tong 祥xiang 利li 泰tai 辉hui 业ye 科ke 成cheng 美mei 信xin 发fa 和he 隆long "
    "友you 强qiang 顺shun 康kang 益yi 昊hao 腾teng 翔xiang 凌ling 诺nuo 邦bang 禾he 宇yu 捷jie 城cheng 润run 晟sheng "
    "尔er 森sen 朗lang 博bo 亚ya 创chuang 力li 佳jia 恩en 特te 迪di 逸yi 欣xin 众zhong 雅ya"
)
_SURNAMES = tuple("王李张刘陈杨黄赵吴周徐孙马朱胡郭何林罗高梁郑谢宋唐许韩冯邓曹彭曾肖田董潘袁蔡蒋余于杜叶程魏苏吕丁")
_GIVEN = tuple("伟芳娜敏静丽强磊军洋勇艳杰娟涛明超秀霞平刚桂英华玉兰建国志文海峰小红春燕永健晓东俊浩宇欣怡子涵")
_FORMS_ZH = ("有限公司", "(有限合伙)", "经营部", "专业合作社")
_FORMS_EN = ("Co., Ltd.", "LP", "Store", "Cooperative")
_AUTHORITY = np.array([b"91", b"91", b"92", b"93"], dtype="S2")


def _syllables(text: str) -> tuple[pl.Series, pl.Series]:
    pairs = text.split()
    return pl.Series([p[0] for p in pairs]), pl.Series([p[1:] for p in pairs])


def firms_frame(firms: Firms) -> pl.DataFrame:
    """Return firm, uscc, name_zh, name_en, legal_representative of one block."""
    rng, n = firms.stream("names"), len(firms)
    first_zh, first_en = _syllables(_FIRST)
    second_zh, second_en = _syllables(_SECOND)
    a, b = rng.integers(0, first_zh.len(), n), rng.integers(0, second_zh.len(), n)
    surname, given = rng.integers(0, len(_SURNAMES), n), rng.integers(0, len(_GIVEN), (2, n))
    one = rng.random(n) < 0.35
    regions = np.array([r[0] for r in REGIONS])[firms.region]
    shift = int(np.random.SeedSequence(firms.seed).generate_state(1)[0])
    serials = (firms.firm + shift) % 31**6

    def take(values: tuple[str, ...] | pl.Series, index: np.ndarray) -> pl.Series:
        return pl.Series(values).gather(index)

    parts = pl.DataFrame(
        {
            "city_zh": take(tuple(r[1] for r in REGIONS), firms.region),
            "city_en": take(tuple(r[2] for r in REGIONS), firms.region),
            "a_zh": first_zh.gather(a),
            "b_zh": second_zh.gather(b),
            "brand_en": (first_en.gather(a) + second_en.gather(b)).str.to_titlecase(),
            "trade_zh": take(tuple(t.zh for t in TRADES), firms.trade),
            "trade_en": take(tuple(t.en for t in TRADES), firms.trade),
            "form_zh": take(_FORMS_ZH, firms.entity),
            "form_en": take(_FORMS_EN, firms.entity),
            "surname": take(_SURNAMES, surname),
            "given": take(_GIVEN, given[0]) + pl.Series(np.where(one, "", np.array(_GIVEN)[given[1]])),
        }
    )
    return parts.select(
        firm=pl.Series(firms.firm.astype(np.int32)),
        uscc=pl.Series(codes(serials, _AUTHORITY[firms.entity], regions)),
        name_zh=pl.concat_str("city_zh", "a_zh", "b_zh", "trade_zh", "form_zh"),
        name_en=pl.concat_str("city_en", "brand_en", "trade_en", "form_en", separator=" "),
        legal_representative=pl.concat_str("surname", "given"),
    )


def registration(firms: Firms) -> pl.DataFrame:
    """Return the registration frame of one block. It says nothing about what became of a firm later."""
    rng, n = firms.stream("registration"), len(firms)
    capital_wan = np.exp(0.6 * (firms.size - USUAL_SIZE) + 5.0 + 0.9 * rng.standard_normal(n))
    # Capital is registered in round sums.
    steps = np.array([1, 3, 5, 10, 20, 30, 50, 100, 200, 300, 500, 1000, 2000, 3000, 5000, 10000])
    capital = steps[np.abs(np.log(capital_wan)[:, None] - np.log(steps)).argmin(axis=1)]
    capital = np.where(firms.entity == 2, np.minimum(capital, 50), capital)
    shell = firms.is_kind("shell", "manipulator")
    paid_share = np.where(rng.random(n) < 0.4, 1.0, rng.beta(1.0, 1.5, n)) * np.where(shell, 0.3, 1.0)
    paid_share = np.clip(paid_share * np.exp(0.12 * firms.level), 0, 1)
    undisclosed = rng.random(n) < 0.25
    quiet = firms.is_kind("dormant") & (rng.random(n) < 0.12)
    linked = rng.random(n) < np.where(firms.is_kind("shell"), 0.30, np.where(shell, 0.08, 0.012))
    fen = capital.astype(np.int64) * 1_000_000
    return pl.DataFrame(
        {
            "firm": firms.firm.astype(np.int32),
            "industry": pl.Series([t.code for t in TRADES]).gather(firms.trade),
            "region": pl.Series([r[0] for r in REGIONS]).gather(firms.region),
            "entity_type": pl.Series(ENTITY_TYPES).gather(firms.entity),
            "status": pl.Series(np.where(quiet, "suspended", "active")),
            "established_on": pl.Series(firms.established_day.astype(np.int32)).cast(pl.Date),
            "registered_capital_fen": fen,
            "paid_in_capital_fen": pl.Series(np.rint(fen * paid_share).astype(np.int64)).set(
                pl.Series(undisclosed), None
            ),
            "linked_struck_off": linked,
        },
        schema=FRAME_SCHEMAS["registration"],
    )
