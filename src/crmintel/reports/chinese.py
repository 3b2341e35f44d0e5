"""What pages say in Chinese: the English sentence, and what stands in its place. Figures keep their numbers in braces."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from crmintel.reports.chinese_card import CARD
from crmintel.segmentation.types import CHINESE as SEGMENTS

_PAGE: Final = {
    "Customer report": "客户报告",
    "Values of the picture “{0}”: read them with the arrow keys": "图“{0}”的数值：用方向键逐个读取",
    "Skip to the summary": "跳到摘要",
    "Contents": "目录",
    "In short": "摘要",
    "Notes": "说明",
    "What was left out, and how to read this page": "省略的内容，以及如何阅读本页",
    "How to read this page": "如何阅读本页",
    "Made by crmintel. Groups of few customers are merged; no single customer appears on this page.": (
        "由 crmintel 生成。人数很少的群体已合并；本页不出现任何单个客户。"
    ),
    "Source": "来源",
    "History": "历史",
    "Described as of": "描述时点",
    "Looking ahead": "展望",
    "Created": "生成时间",
    "As of": "截至",
    "gain {0}": "提升 {0}",
    "the model": "模型",
    "Search": "搜索",
    "Search in {0}": "在“{0}”中搜索",
    "Sort by {0}": "按“{0}”排序",
    "{0} of {1} rows": "{1} 行中的 {0} 行",
    "Customers are described only with what was known before this instant; predictions look ahead from it.": (
        "对客户的描述只用到此时点之前已知的信息；预测从此时点向后看。"
    ),
    "A measured figure and, in brackets, the interval that the true one very likely lies in.": (
        "测得的数值；括号内是真实值很可能所在的区间。"
    ),
    "proven": "已证实",
    "not proven": "未证实",
    "worse": "更差",
    "The whole interval of the gain lies above zero; “not proven”: it includes zero; “worse”: below.": (
        "提升的整个区间都在零以上；“未证实”：区间包含零；“更差”：在零以下。"
    ),
    "Segment": "客群",
    "Customers alike in how lately and how often they bought, against all others: champions both, hibernating neither.": (
        "最近购买时间和购买频率与他人相比相近的客户：冠军客户两者皆高，沉睡客户两者皆低。"
    ),
    "Stage": "阶段",
    "Silence against the own rhythm: more than one usual gap is “at risk”, two “dormant”, four “lost”. It describes; the probability of leaving foresees, and the segment of the same name is another group.": (
        "沉默时间与自身节奏之比：超过一个通常间隔为“有流失风险”，两个为“休眠”，四个为“已流失”。阶段只作描述；预见未来的是流失概率，同名的客群是另一组客户。"
    ),
    "Value tier": "价值等级",
    "A: the fewest customers who bring the first part of the money; B the next, C the rest, Z nothing.": (
        "A：带来第一部分金额的最少客户；B 为其次，C 为其余，Z 没有贡献。"
    ),
    "Simple rule": "简单规则",
    "What one would do without a model, such as sorting by days since the last order.": (
        "没有模型时的做法，例如按距上次下单的天数排序。"
    ),
    "How often a customer who left was ranked above one who stayed: 0.5 is guessing, 1 is perfect.": (
        "流失客户排在留存客户之前的频率：0.5 等于瞎猜，1 为完美。"
    ),
    "Lift": "提升倍数",
    "How many times more leavers a part of the list holds than a random part of the same size.": (
        "名单的一部分所含流失者是同样大小的随机部分的多少倍。"
    ),
    "Quality of a list of offers between 0 and 1: hits count more at its top.": (
        "推荐列表的质量，介于 0 和 1 之间：越靠前的命中越重要。"
    ),
    "Not causal": "非因果",
    "The figures foresee; they do not say what an action would change. Only an experiment can.": (
        "这些数字是预测；它们不能说明某项行动会改变什么。只有实验才能。"
    ),
    "other (small groups)": "其他（小群体）",
    "Groups of so few customers that somebody might be recognised, put together.": (
        "客户太少、可能认出个人的群体，合并在一起。"
    ),
    "(no name)": "（无名称）",
    "came": "到来",
    "went quiet": "转为沉默",
    "Came": "到来",
    "Went quiet": "转为沉默",
    "Who came and who went": "谁来了，谁走了",
    "{0}: {1} came, {2} went quiet": "{0}：{1} 人到来，{2} 人转为沉默",
    "{0} came and {1} went quiet in {2}": "{2}有 {0} 人到来，{1} 人转为沉默",
    "Bars: customers who came and who went quiet, a month from {0} to {1}": "条形：{0} 至 {1} 各月到来与转为沉默的客户",
    "Came: bought in the month and not in the one before, new customers among them. Went quiet: the other way round; many come back.": (
        "到来：当月购买而上月未购买，包括新客户。转为沉默：与之相反；其中许多人会回来。"
    ),
    "{0} days": "{0} 天",
    "1 day": "1 天",
}
_PEOPLE: Final = {
    "between {0} and {1}": "{0}至{1}",
    "The history holds fewer than {0} customers": "历史中的客户少于 {0} 位",
    "Customers": "客户",
    "customers": "客户数",
    "Nothing is shown about so few, to protect them.": "人数太少，为保护他们不予显示。",
    "{0} customers placed {1} orders": "{0} 位客户下了 {1} 个订单",
    "Half of the money comes from {0} of the customers": "一半的金额来自 {0} 的客户",
    "Everything the history tells about who bought, how often and for how much, {0}.": (
        "历史记录所反映的一切：谁买了、多久买一次、花了多少（{0}）。"
    ),
    "{0} of the customers bring half of the money": "{0} 的客户带来一半的金额",
    "Who brings the money": "谁带来金额",
    "The further the line bulges from the dotted one, the more the money depends on few customers.": (
        "曲线离虚线越远，金额越依赖少数客户。"
    ),
    "Interactions": "互动",
    "Orders": "订单",
    "{0} per customer": "每位客户 {0}",
    "Money": "金额",
    "the history has no amounts": "历史中没有金额",
    "Every month counts a customer once.": "每位客户每月只计一次。",
    "Every month counts a customer once. The history has no amounts.": "每位客户每月只计一次。历史中没有金额。",
    " Paler months are not complete.": "颜色较浅的月份不完整。",
    " Figures of fewer than {0} customers are left empty.": "少于 {0} 位客户的数字留空。",
    "Month by month": "逐月数据",
    "Month": "月份",
    "Active customers": "活跃客户",
    "New customers": "新客户",
    "The sum of all amounts of each month.": "每月全部金额之和。",
    "{0} customers were active in {1}": "{1}有 {0} 位活跃客户",
    "{0} brought {1}": "{0}带来 {1}",
    ", {0}": "，{0}",
    "as much as a year before": "与一年前持平",
    "{0} more than a year before": "比一年前多 {0}",
    "{0} less than a year before": "比一年前少 {0}",
    "{0} fewer than a year before": "比一年前少 {0}",
    " and ": "，",
    "{0:.0f} come back {1}": "{0:.0f} 位{1}回来",
    "one month later": "在一个月后",
    "six months later": "在六个月后",
    "Of 100 new customers, {0}": "每 100 位新客户中，{0}",
    "Who comes back": "谁会回来",
    "Percent of the customers first seen in the month on the left that were active again so many months later.": (
        "左侧月份首次出现的客户，在若干个月后再次活跃的百分比。"
    ),
    "Every row was checked once at the door. What was found, and what was done with it:": (
        "每一行在入口处都检查过一次。发现了什么、如何处理："
    ),
    "Data quality": "数据质量",
    "No checks of the data were recorded": "没有记录数据检查",
    "The data are clean: no check found anything to mend": "数据干净：检查未发现需要修正之处",
    "{0} of the rows": "{0} 的行",
    "{0} rows": "{0} 行",
    "{0} things in the data deserve a look; the largest concerns {1}": "数据中有 {0} 处值得一看；最大的一处涉及 {1}",
    "One thing in the data deserves a look: it concerns {0}": "数据中有一处值得一看：涉及 {0}",
    "Check": "检查",
    "Rows": "行数",
    "Share": "占比",
    "What was done": "处理方式",
    "Level": "级别",
    "What the checks found": "检查的发现",
    "Checks without a finding": "没有发现的检查",
    "Groups of customers with a similar history. Money is what they brought so far.": (
        "历史相似的客群。金额是他们迄今带来的金额。"
    ),
    "There are no groups to show": "没有可显示的群体",
    "{0} is the largest segment: {1} of the customers": "{0}是最大的客群：占客户的 {1}",
    "{0}: {1} of the customers, {2} of the money": "{0}：{1} 的客户，{2} 的金额",
    "Customers and money by segment": "各客群的客户与金额",
    "Groups of customers with a similar history.": "历史相似的客群。",
    "no amounts": "没有金额",
    "The history has no amounts: shares of money are left out.": "历史中没有金额：金额占比从略。",
    "Value tiers": "价值等级",
    "Segments": "客群",
    "{0} customers": "{0} 位客户",
    "share of customers": "客户占比",
    "share of money": "金额占比",
    "The first {0} of {1} groups; the table has all.": "{1} 个群体中的前 {0} 个；表中有全部。",
    "Segment": "客群",
    "Share of money": "金额占比",
    "Days since last": "距上次天数",
    "Orders each": "人均订单",
    "Expected money each": "人均预期金额",
    "Likely to leave": "流失可能性",
    "All figures by segment": "各客群的全部数字",
    "{0}: most at risk": "{0}：流失风险最高",
    "mean probability to leave": "平均流失概率",
    "A full bar would be certainty.": "满格表示必然。",
    ", {0} likely to leave": "，{0} 可能流失",
    "Stages of life": "生命周期阶段",
}
_AHEAD: Final = {
    "Dots are the measured figures, lines their intervals; the gain says how much better the model is than the rule.": (
        "点为测得的数值，线为其区间；“提升”表示模型比规则好多少。"
    ),
    "The model beats the strongest simple rule, {0}, by {1} {2}.": "模型优于最强的简单规则（{0}），{2}的优势为 {1}。",
    " (by a simple rule: {0})": "（简单规则：{0}）",
    "The strongest simple rule, {0}, beats the model, whose gain is {1} {2}: use the rule.": (
        "最强的简单规则（{0}）胜过模型，模型{2}的提升为 {1}：请使用该规则。"
    ),
    "Against the strongest simple rule, {0}, the gain is {1} {2}: it may be luck.": (
        "与最强的简单规则（{0}）相比，{2}的提升为 {1}：可能只是运气。"
    ),
    "worse than a simple rule": "不如简单规则",
    "better than simple rules: {0}": "优于简单规则：{0}",
    "{0} of the customers leave within {1}": "{0} 的客户在 {1}内流失",
    "The riskiest 20% of customers hold {0} of all who leave": "风险最高的 20% 客户包含全部流失者的 {0}",
    " ({0} at best)": "（最多可达 {0}）",
    " from {0}": "自{0}",
    " from {0} to {1}": "自{0}至{1}",
    " earlier": "更早时",
    "Leaving means silence for the following {0}: {1} of the customers do. The model learned from the customers as they were{2} and was then tested on {3} customers as of {4}, a later time that it had not seen.": (
        "流失指随后 {0}没有任何购买：{1} 的客户如此。模型从{2}的客户状态中学习，然后在{4}对 {3} 位客户进行检验，这是模型未曾见过的更晚时点。"
    ),
    "in AUC": "在 AUC 上",
    "Looking at 20% of the customers finds {0} of the leavers": "查看 20% 的客户即可找到 {0} 的流失者",
    "Dotted: a list in random order. Grey: a perfect list. The closer to the grey line, the better.": (
        "虚线：随机顺序的名单。灰线：完美名单。越接近灰线越好。"
    ),
    "The model beside simple rules": "模型与简单规则对比",
    " Further right is better.": "越靠右越好。",
    " Further left is better.": "越靠左越好。",
    "How deep to go down the list": "名单要看多深",
    "First part of the list": "名单的前部",
    "Leavers found": "找到的流失者",
    "Times better than random": "优于随机的倍数",
    "Churn": "流失",
    "Said and seen": "预测与实际",
    "{0:.1f} points": "{0:.1f} 个百分点",
    "The probabilities can be taken at their word: {0} off on average": "概率可信：平均偏差 {0}",
    "The probabilities are {0} off on average: use their order": "概率平均偏差 {0}：请只用其排序",
    "On the dotted line, as many left as predicted. Lines are intervals.": "在虚线上，流失人数与预测一致。竖线为区间。",
    "Predicted and observed, group by group": "各组的预测与实际",
    "Predicted to leave": "预测流失",
    "Really left": "实际流失",
    "at least": "至少",
    "at most": "至多",
    "How the probabilities are spread": "概率的分布",
    "Nobody is likelier to leave than to stay": "没有客户更可能离开而不是留下",
    "{0} of the customers are likelier to leave than to stay": "{0} 的客户流失可能性大于留存",
    "A list with many customers at both ends separates well; one heap in the middle does not.": (
        "客户多集中在两端说明区分度好；堆在中间则不然。"
    ),
    " Bars of fewer than {0} customers are left out.": "少于 {0} 位客户的柱形已省略。",
    "What raises the model's probability most. A reason is a sign, not a cause.": "最能提高模型概率的因素。理由是迹象，不是原因。",
    "What most often speaks for leaving": "最常见的流失迹象",
    "customers with this as their first reason": "以此为首要理由的客户",
    "What each customer will bring in the coming {0}": "每位客户在未来 {0}将带来的金额",
    "The coming {0} should bring {1} from today's customers": "未来 {0}现有客户预计带来 {1}",
    "Tested on what {0} customers really brought later, which the model had not seen.": (
        "以 {0} 位客户后来实际带来的金额检验，模型未曾见过这些数据。"
    ),
    " The brackets around the total are as wide as the total was off in that one test.": "总额的括号宽度等于那次检验中总额的偏差。",
    "Real values inside their interval: {0} should be.": "实际值落在区间内的比例：应为 {0}。",
    "Coverage": "覆盖率",
    "in mean error per customer": "在每位客户的平均误差上",
    "Mean error per customer": "每位客户的平均误差",
    "All figures by rule": "各规则的全部数字",
    "Rule": "规则",
    "Mean error": "平均误差",
    "Money in the top tenth": "前十分之一的金额占比",
    "Gain of the model": "模型的提升",
    "Customer value": "客户价值",
    "Predicted and real money by tenth": "各十分位的预测与实际金额",
    "The tenth predicted highest really brought {0} of the money": "预测最高的十分之一实际带来 {0} 的金额",
    "Predicted and real money, tenth by tenth": "逐个十分位的预测与实际金额",
    "Tenth": "十分位",
    "Predicted each": "人均预测",
    "Really came each": "人均实际",
    "Mean money per customer. Dots on top of their bars mean honest amounts; falling bars mean a good order.": (
        "每位客户的平均金额。点落在柱顶说明金额准确；柱形递减说明排序良好。"
    ),
    "What to offer": "推荐什么",
    "Bought again": "再次购买",
    "within {0}": "在 {0}内",
    "{0} items for each customer": "每位客户 {0} 件商品",
    "{0} of later buyers went on to buy something from their list of {1}": "{0} 的后续购买者买了其 {1} 件推荐中的某一件",
    "Lists of {0} items ({1}), tested on what {2} customers bought {3}. They might have bought it anyway: this measures the guess, not the effect of offering.": (
        "每份列表 {0} 件商品（{1}），以 {2} 位客户{3}的购买检验。他们也许本来就会买：这衡量的是猜测，不是推荐的效果。"
    ),
    "items the customer never bought": "客户从未买过的商品",
    "items the customer bought before": "客户以前买过的商品",
    "Customers with a hit": "命中的客户",
    "Recall": "召回率",
    "Precision": "精确率",
    "NDCG": "NDCG",
    "in NDCG": "在 NDCG 上",
    "Quality of the lists (NDCG)": "列表质量（NDCG）",
    "The items offered most": "推荐最多的商品",
    "customers it is offered to": "被推荐的客户数",
    "Items for fewer than {0} customers are left out.": "客户少于 {0} 位的商品已省略。",
    "too few": "太少",
    "Fewer than {0} customers were looked at: nothing is shown, to protect them.": "考察的客户少于 {0} 位：为保护他们不予显示。",
    "Too few customers to say anything": "客户太少，无法得出结论",
}
_MEASURES: Final = {
    "Ranking (AUC)": "排序（AUC）",
    "How often a leaver ranks above a stayer: 0.5 is chance, 1 is perfect.": "流失者排在留存者之前的频率：0.5 为随机，1 为完美。",
    "Average precision": "平均精确率",
    "Purity of the list, averaged over all lengths.": "名单的纯度，对所有长度取平均。",
    "Brier score": "Brier 分数",
    "Mean squared error of the probabilities: lower is better.": "概率的均方误差：越低越好。",
    "Log loss": "对数损失",
    "Punishes confident mistakes: lower is better.": "惩罚过于自信的错误：越低越好。",
    "Calibration error": "校准误差",
    "Mean distance between said and seen share: lower is better.": "预测占比与实际占比的平均差距：越低越好。",
    "Mean distance between said and seen share.": "预测占比与实际占比的平均差距。",
    "Lift at 10%": "前 10% 的提升倍数",
    "Times more leavers than in a random tenth.": "是随机十分之一中流失者的多少倍。",
    "Lift at 20%": "前 20% 的提升倍数",
    "Times more leavers than in a random fifth.": "是随机五分之一中流失者的多少倍。",
    "Mean distance between predicted and real money.": "预测金额与实际金额的平均差距。",
    "Root mean squared error": "均方根误差",
    "As the mean error, large misses count more.": "类似平均误差，但大的偏差权重更高。",
    "Bias of the total": "总额偏差",
    "Predicted total against real total: 0 is right.": "预测总额与实际总额之比：0 为准确。",
    "Share of real money in the tenth predicted highest.": "预测最高的十分之一所占的实际金额。",
    "Ranking (Gini)": "排序（基尼）",
    "How well customers are ordered by money: 1 is perfect.": "客户按金额排序的好坏：1 为完美。",
    "Rank correlation": "秩相关",
    "Agreement of the two orders: 1 is perfect.": "两个排序的一致程度：1 为完美。",
    "Share of real values inside their interval.": "实际值落在区间内的比例。",
}
_DOING: Final = {
    "The plan contacts {0} customers at a cost of {1}": "该计划联系 {0} 位客户，费用 {1}",
    "The plan contacts nobody": "该计划不联系任何人",
    "effect measured": "效果已测",
    "not causal": "非因果",
    "no limit was set": "未设上限",
    "of a budget of {0}": "预算 {0}",
    "Contacted": "联系",
    "get an action": "得到行动",
    "Left alone": "不打扰",
    "on purpose, for comparison": "特意保留，用于对比",
    "Cost": "费用",
    "The plan": "计划",
    "What to do next, for whom, inside the limits.": "接下来对谁做什么，不超出限制。",
    "fewer than {0}": "少于 {0}",
    "costs {0}": "费用 {0}",
    ", {0} at risk": "，{0} 面临流失",
    "At risk: recent business over one horizon (it weighs half for every horizon that has passed), times the probability of leaving.": (
        "面临流失：一个展望期内的近期业务量（每过一个展望期权重减半）乘以流失概率。"
    ),
    "All figures by action": "各行动的全部数字",
    "Action": "行动",
    "Value at risk": "面临流失的价值",
    "Who gets what": "谁得到什么",
    "{0} of {1} customers": "{1} 位客户中的 {0} 位",
    "Where the plan goes": "计划落在哪里",
    "Most contacts, for its size, go to {0}": "按规模计，联系最多的是{0}",
    "share of the segment that is contacted": "该客群中被联系的占比",
    "An experiment would show whether the plan pays": "实验可以证明计划是否划算",
    "Nobody knows yet what the actions change. Leave a random part of the chosen customers alone, act on the rest, and compare the two groups: the difference is the effect.": (
        "还没有人知道这些行动会改变什么。随机保留一部分被选中的客户不打扰，对其余客户采取行动，再比较两组：差异就是效果。"
    ),
    "Keep a group apart, so that the effect stays measured": "保留一个对照组，使效果持续可测",
    "The effect of the actions was measured once. A random group left alone keeps it measured from now on.": (
        "行动的效果已测过一次。保留一个随机的不打扰组，今后仍可持续测量。"
    ),
    "{0} customers get an action, {1} are left alone at random.": "{0} 位客户得到行动，{1} 位被随机保留不打扰。",
    "The design": "设计",
    "The experiment": "实验",
    "comparison": "对比",
    "customers contacted": "联系的客户",
    "customers held out at random": "随机保留的客户",
    "expected churn without contact": "不联系时的预期流失率",
    "smallest drop one round can prove": "一轮可证明的最小降幅",
    "none: too few": "无：人数太少",
    "to prove a drop of a tenth": "要证明下降十分之一",
    "{0} customers in both groups": "两组共需 {0} 位客户",
    "rounds of this size": "这种规模的轮次",
    "days until the answer": "得到答案的天数",
    "over ten years": "十年以上",
    "The probabilities of leaving were {0:.1f} points off: trust the order of the customers, not the amounts at risk.": (
        "流失概率平均偏差 {0:.1f} 个百分点：请相信客户的排序，而不是面临流失的金额。"
    ),
    "The plan ranks customers by a probability that a simple rule beat in the test.": "该计划按流失概率排序，而检验中简单规则优于该概率。",
    " (in the test the total came out {0} {1})": "（检验中总额{1} {0}）",
    "too low": "偏低",
    "too high": "偏高",
    "order only": "仅看排序",
    "all other segments": "其他客群",
    "power and level": "功效与显著性水平",
    "{0} and {1}, two-sided": "{0} 和 {1}，双侧",
    "{0} points": "{0} 个百分点",
    "held out at random": "随机保留",
    "no action": "不采取行动",
    "retention contact": "挽留联系",
    "most money at risk": "面临流失的金额最多",
    "held out at random, to learn what the action changes": "随机保留，以了解行动改变了什么",
    "must not be contacted": "不得联系",
    "less at risk than a contact costs": "面临流失的金额少于联系费用",
    "nothing at risk": "没有面临流失的金额",
    "the budget goes to customers with more at risk": "预算用于面临流失更多的客户",
    "This history holds no randomised treatment, so no effect of an action is known and none is claimed. Customers are ranked by value at risk minus cost. A random part of the candidates is held out, with the probability on record, so that the next run can tell.": (
        "这段历史中没有随机化的干预，因此行动的效果未知，也不作声称。客户按面临流失的价值减去费用排序。随机保留一部分候选客户，并记录其概率，以便下一次运行得出结论。"
    ),
    "This history holds no randomised treatment, so no effect of an action is known and none is claimed. Customers are ranked by orders at risk, since the history has no money. A random part of the candidates is held out, with the probability on record, so that the next run can tell.": (
        "这段历史中没有随机化的干预，因此行动的效果未知，也不作声称。因历史中没有金额，客户按面临流失的订单排序。随机保留一部分候选客户，并记录其概率，以便下一次运行得出结论。"
    ),
}
_PICTURES: Final = {
    "up": "上升",
    "down": "下降",
    "stayed": "未变",
    "came or gone": "新来或离开",
    "not yet": "尚未出现",
    "gone": "已离开",
    "; most moved from {0} to {1}": "；从{0}到{1}的最多",
    "Flows of customers between segments{0}": "客群之间的客户流动{0}",
    "{0} to {1}: {2} customers": "{0}到{1}：{2} 位客户",
    "start of a period": "期初",
    "its end": "期末",
    "Moves have the colour of where they come from; those who stayed are pale.": "流动的颜色取自来源；未变者颜色浅。",
    "Ribbons of fewer than {0} customers, and those that hide such, are left out, of the figures, too (≥).": (
        "少于 {0} 位客户的流带以及掩护它们的流带均略去，数字中也不计入（≥）。"
    ),
    " {0} of the customers are drawn.": "图中画出了 {0} 的客户。",
    "At most {0} of the customers bring half of the money": "至多 {0} 的客户带来一半的金额",
    "Half of the money comes from at most {0} of the customers": "一半的金额来自至多 {0} 的客户",
    " All are new to the file in its first month: who is new is not told there.": "文件的第一个月人人都是首次出现：该月不说明谁是新客户。",
    "few customers": "少数客户",
    "Customers by segment": "各客群的客户",
    "What another budget or cost would reach cannot be told without amounts.": "没有金额，无法说明其他预算或费用能触及多少客户。",
    " At risk: recent business, times the probability of leaving.": "面临流失：近期业务量乘以流失概率。",
    "Who moved from segment to segment": "谁在客群之间移动",
    "Of 100 customers who were {0}, {1} are now {2}": "每 100 位原为{0}的客户中，有 {1} 位现为{2}",
    "From {0} to {1}, by today's bounds between segments. Ribbons are as thick as customers are many.": (
        "从{0}到{1}，按现在的客群界限。流带越粗，客户越多。"
    ),
    " Up and down follow the order from champions to hibernating: how recently customers bought, then how often.": (
        "升降按从冠军客户到沉睡客户的顺序：先看最近购买，再看频率。"
    ),
    "All moves between segments": "客群之间的全部流动",
    "From": "从",
    "To": "到",
    "Share of those there before": "占原客群的比例",
    "active customers": "活跃客户",
    "of them new": "其中新客户",
    "Bars: active and new customers a month from {0} to {1}": "柱形图：{0}至{1}每月活跃与新客户",
    "money a month": "每月金额",
    "Bars: money a month from {0} to {1}": "柱形图：{0}至{1}每月金额",
    "if all were equal": "若人人相等",
    "{0} of customers": "{0} 的客户",
    ": {0} of customers bring half of it": "：{0} 的客户带来一半",
    "Curve: share of money by share of customers{0}": "曲线：客户占比对应的金额占比{0}",
    "Months after the first purchase": "首次购买后的月数",
    "Heat map: share of new customers that came back, by month": "热图：各月新客户回来的占比",
    "random list": "随机名单",
    "{0} of leavers": "{0} 的流失者",
    "Share of leavers found": "找到的流失者占比",
    "Share of customers looked at, riskiest first": "查看的客户占比，风险最高者在前",
    "Curve: the first 20% of the list hold {0} of the leavers": "曲线：名单前 20% 包含 {0} 的流失者",
    "more left than said": "实际多于预测",
    "fewer left than said": "实际少于预测",
    "Share that really left": "实际流失占比",
    "Share predicted to leave": "预测流失占比",
    "Dots: predicted against observed share of leavers": "点图：预测与实际流失占比",
    "Probability to leave": "流失概率",
    "Bars: customers by their probability to leave": "柱形图：按流失概率的客户数",
    "really came": "实际",
    "predicted": "预测",
    "Tenth of customers, highest predicted first": "客户十分位，预测最高者在前",
    "Bars and dots: actual and predicted value by tenth": "柱与点：各十分位的实际与预测价值",
    "Share of the money": "金额占比",
    "Share of customers, best first": "客户占比，最好者在前",
    "{0}: {1} active customers": "{0}：{1} 位活跃客户",
    ", {0} of them new": "，其中新客户 {0} 位",
    " (not a whole month)": "（当月不完整）",
    "{0}: {1}": "{0}：{1}",
    "{0} of customers bring {1} of the money": "{0} 的客户带来 {1} 的金额",
    "First seen in {0}: {1} were back in month {2}": "{0}首次出现：{1} 在第 {2} 个月回来",
    "The riskiest {0} hold {1} of the leavers": "风险最高的 {0} 客户包含 {1} 的流失者",
    "{0} predicted to leave, {1} left": "预测流失 {0}，实际流失 {1}",
    "Probability {0} to {1}: {2} customers": "概率 {0} 至 {1}：{2} 位客户",
    "Tenth {0}: {1} predicted, {2} really came": "第 {0} 个十分位：预测 {1}，实际 {2}",
}
_TOLD: Final = {
    "prospect": "潜在客户", "new": "新客户", "growing": "成长", "loyal": "忠诚", "regular": "稳定", "reactivated": "重新激活",
    "declining": "下滑", "at risk": "有流失风险", "dormant": "休眠", "lost": "已流失",
    "days since the last purchase": "距上次购买的天数",
    "few past orders": "历史订单少",
    "silence over usual gap": "沉默时间与平常间隔之比",
    "as in the last 90 days": "与最近 90 天相同",
    "at the pace so far": "按迄今的速度",
    "popularity": "热门程度",
    "model": "模型",
    "silent for longer than usual": "沉默时间比平常长",
    "few or fewer orders": "订单少或变少",
    "little or less money spent": "花费少或变少",
    "narrow choice of items": "商品种类单一",
    "returns": "退货",
    "little other contact": "其他接触少",
    "length of the relationship": "关系时长",
    "channels used": "使用的渠道",
    "ratings given": "给出的评分",
    "info": "提示", "warning": "警告", "fixed": "已修正", "ok": "正常", "error": "错误",
    "kept": "保留", "dropped": "丢弃", "counted as zero": "按零计", "kept without an item": "保留（无商品）",
    "order lines": "订单行",
    "exact duplicate rows": "完全重复的行",
    "rows equal in every column that was read": "所读各列完全相同的行",
    "kept; a column that was not read may tell them apart": "保留；未读取的列也许能区分它们",
    'kept; on_duplicate="drop" (a policy) removes them': '保留；策略 on_duplicate="drop" 可去除',
    "rows with a doubled key": "键重复的行",
    "rows without a customer or a time": "没有客户或时间的行",
    "placeholder customers (0, -1, unknown, guest, test, …)": "占位客户（0、-1、unknown、guest、test 等）",
    "customers whose ids differ only in case, spaces, width or leading zeros": "编号仅在大小写、空格、全半角或前导零上不同的客户",
    "kept apart; see crmintel.interactions.normalise_ids": "分开保留；见 crmintel.interactions.normalise_ids",
    "returns dated before the purchase of the same item": "早于同一商品购买的退货",
    "customers who redeemed more points than they had": "兑换积分多于持有的客户",
    "customer who alone holds over half of the money": "独占一半以上金额的客户",
    "only one row": "只有一行",
    "only one customer": "只有一位客户",
    "kept; models cannot be fitted": "保留；无法拟合模型",
    "orders with more than one customer": "属于多位客户的订单",
    "customers seen only once, nearly all of them: is customer_id the customer, or the order?": (
        "只出现过一次的客户（几乎全部）：customer_id 是客户还是订单？"
    ),
    "The models in use learned again from all instants, the one of the test included, after they were judged.": (
        "模型在评判之后，又用包括检验时点在内的全部时点重新学习。"
    ),
    "No plan: it ranks customers by the probability of losing them, which is not known here.": (
        "没有计划：计划按流失概率对客户排序，而此处概率未知。"
    ),
}  # fmt: skip
_WHAT_IF: Final = {
    "What if the budget or the cost were different?": "如果预算或费用不同会怎样？",
    "Change a number, and the figures below follow. How much of the money at risk a contact keeps is not known: the percentage is your own assumption until the experiment has measured it.": (
        "改动一个数字，下面的结果随之变化。一次联系能留住多少面临流失的金额尚不可知：在实验测出之前，该百分比是您自己的假设。"
    ),
    "Change a number, and the figures below follow.": "改动一个数字，下面的结果随之变化。",
    " The plan has {0} actions; this form speaks of {1} alone, as if it were the only one.": (
        "该计划有 {0} 种行动；此表只说{1}，仿佛只有这一种。"
    ),
    "Customers are taken by falling money at risk, as in the plan, while a contact costs less than what is at risk. With the plan's own budget and cost, the customers, the cost and the money at risk are just those of the plan. “About”: right to a group of customers, since no single one can be read from this page.": (
        "与计划一样，按面临流失的金额从高到低选取客户，只要联系费用低于该金额。按计划自身的预算和费用，客户数、费用和面临流失的金额与计划完全一致。“约”：精确到一组客户，因为本页看不出任何单个客户。"
    ),
    " Who of those chosen is left alone is drawn by lot: what is saved is the part that is contacted, on average over such draws.": (
        "选中的客户中谁不打扰由抽签决定：留住的金额是被联系部分在多次抽签中的平均值。"
    ),
    " The action reaches at most {0} customers.": "该行动最多触及 {0} 位客户。",
    "As planned": "恢复计划值",
    "Budget": "预算",
    "Cost of one contact": "每次联系的费用",
    "Percent kept by a contact (your assumption)": "联系留住的百分比（您的假设）",
    "Percent kept by a contact (as measured)": "联系留住的百分比（实测）",
    "about {0}": "约 {0}",
    "{0} contacted, {1} left alone at random": "联系 {0} 位，随机保留 {1} 位不打扰",
    "{0} customers contacted for {1}; {2} saved at this percentage, {3} after the cost.": "联系 {0} 位客户，花费 {1}；按此百分比留住 {2}，扣除费用后 {3}。",
    "Give money of at least 0, and a percentage between 0 and 100.": "请输入不小于 0 的金额，以及 0 到 100 之间的百分比。",
    "Customers chosen": "选中的客户",
    "Money spent": "花费",
    "on those contacted": "用于被联系的客户",
    "At risk among those chosen": "选中客户面临流失的金额",
    "recent business × probability of leaving": "近期业务量 × 流失概率",
    "Saved, by assumption": "留住的金额（按假设）",
    "Saved, as measured": "留住的金额（按实测）",
    "kept by the contacts, if the percentage is right": "若百分比正确，由联系留住",
    "Left after the cost": "扣除费用后",
    "saved less spent": "留住减去花费",
    "Worth a contact at this cost": "按此费用值得联系",
    "keeps at least what it costs": "留住的不少于费用",
    "Budget enough for these": "足够联系这些客户的预算",
    "more would not pay": "再多就不划算",
    "for as many of these as the action reaches": "足够其中该行动所能触及的客户",
    "The next 1 of budget brings": "再增加 1 的预算带来",
    "below 1 it does not pay; 0: it reaches nobody else": "低于 1 不划算；0：再无客户可触及",
}
ELSEWHERE: Final[Mapping[str, str]] = {
    "There are only {0} customers: read what follows as a description, not as proof.": "只有 {0} 位客户：以下内容只能当作描述，不能当作证明。",
    "counted as {0} orders": "合计为 {0} 个订单",
    "columns not read: {0}": "未读取的列：{0}",
    "rows of 1 customer who holds over {0} of all rows (a robot or a shared account?)": "一位客户占全部行的 {0} 以上（机器人或共用账户？）",
    "rows of {0} customers who each hold over {1} of all rows (a robot or a shared account?)": "{0} 位客户各占全部行的 {1} 以上（机器人或共用账户？）",
    "The {0} was beaten by a simple rule at the later instant ({1}): use that rule, not the column.": "在之后的时点，{0}输给了简单规则（{1}）：请用该规则，而不用该列。",
    "For {0}, popularity was better at the later instant, so the lists are popular items.": "在之后的时点，热门商品对{0}更好，因此列表即热门商品。",
    "Customer values: {0}": "客户价值：{0}",
    "No customer values: {0}": "没有客户价值：{0}",
    "No churn probabilities: {0}": "没有流失概率：{0}",
    "No recommendations: {0}": "没有推荐：{0}",
    "{0} customers in both groups": "两组共 {0} 位客户",
    "{0} and {1}, two-sided": "{0} 与 {1}，双侧",
    "{0} percentage points": "{0} 个百分点",
    "churn probability": "流失概率",
    "value": "价值",
    "new items": "新商品",
    "repeats": "复购商品",
    "ignored": "忽略",
}
"""What other packages say about the data, with what varies in the places {0}, {1}."""
CHINESE: Final[Mapping[str, str]] = MappingProxyType(
    {
        **SEGMENTS,
        **CARD,
        **_TOLD,
        **_PAGE,
        **_PEOPLE,
        **_AHEAD,
        **_MEASURES,
        **_DOING,
        **_WHAT_IF,
        **_PICTURES,
        **ELSEWHERE,
    }
)
"""English to Chinese."""
