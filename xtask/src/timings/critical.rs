//! The longest chain through a graph of measured durations: what decides how long it all takes when there is a core for
//! everything.

use std::collections::VecDeque;

/// The critical path, and what each step means for the total.
#[derive(Debug, Default, PartialEq)]
pub struct Critical {
    /// Seconds of the longest chain.
    pub total: f64,
    /// The chain, the first to be done first.
    pub chain: Vec<usize>,
    /// How many seconds longer each may take before the total grows.
    pub slack: Vec<f64>,
    /// How many seconds the total would shrink if the step took no time; 0 off the chain, or where another chain is
    /// as long.
    pub gain: Vec<f64>,
}

/// `weights` are seconds, `inputs` what each needs. What is in a circle (there is none in a store) is left out.
#[must_use]
pub fn critical(weights: &[f64], inputs: &[Vec<usize>]) -> Critical {
    let order = order(inputs);
    let mut users = vec![Vec::new(); weights.len()];
    for &node in &order {
        for input in &inputs[node] {
            users[*input].push(node);
        }
    }
    let until = ends(&order, weights, inputs, None);
    // The longest way from the end of a node to the end of all.
    let mut rest = vec![0.0_f64; weights.len()];
    for &node in order.iter().rev() {
        rest[node] = users[node].iter().map(|it| rest[*it] + weights[*it]).fold(0.0, f64::max);
    }
    let Some(mut node) = order.iter().copied().max_by(|a, b| until[*a].total_cmp(&until[*b])) else {
        return Critical::default();
    };
    let total = until[node];
    let mut chain = vec![node];
    while let Some(next) = inputs[node].iter().copied().max_by(|a, b| until[*a].total_cmp(&until[*b])) {
        chain.push(next);
        node = next;
    }
    chain.retain(|it| weights[*it] > 0.0);
    chain.reverse();
    let mut gain = vec![0.0; weights.len()];
    for node in &chain {
        let without = ends(&order, weights, inputs, Some(*node)).into_iter().fold(0.0, f64::max);
        gain[*node] = total - without;
    }
    let slack = (0..weights.len()).map(|it| (total - until[it] - rest[it]).max(0.0)).collect();
    Critical { total, chain, slack, gain }
}

/// When each would end at the earliest, if `free` took no time.
fn ends(order: &[usize], weights: &[f64], inputs: &[Vec<usize>], free: Option<usize>) -> Vec<f64> {
    let mut res = vec![0.0; weights.len()];
    for &node in order {
        let ready = inputs[node].iter().map(|it| res[*it]).fold(0.0, f64::max);
        res[node] = ready + if free == Some(node) { 0.0 } else { weights[node] };
    }
    res
}

/// What is needed before what needs it.
fn order(inputs: &[Vec<usize>]) -> Vec<usize> {
    let mut missing: Vec<usize> = inputs.iter().map(Vec::len).collect();
    let mut users = vec![Vec::new(); inputs.len()];
    for (node, inputs) in inputs.iter().enumerate() {
        for input in inputs {
            users[*input].push(node);
        }
    }
    let mut ready: VecDeque<usize> = (0..inputs.len()).filter(|it| missing[*it] == 0).collect();
    let mut res = Vec::with_capacity(inputs.len());
    while let Some(node) = ready.pop_front() {
        res.push(node);
        for &user in &users[node] {
            missing[user] -= 1;
            if missing[user] == 0 {
                ready.push_back(user);
            }
        }
    }
    res
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(weights: &[f64], inputs: &[&[usize]], want: &Critical) {
        let inputs: Vec<Vec<usize>> = inputs.iter().map(|it| it.to_vec()).collect();
        assert_eq!(critical(weights, &inputs), *want);
    }

    /// By hand: a (3) and b (5) are needed by c (4); d (1) by nobody. b, c is the chain of 9. Without b, a decides:
    /// 7, so b gains 2. Without c: 5, so c gains 4. a may take 2 longer, d 8.
    #[test]
    fn two_legs_and_a_straggler() {
        check(
            &[3.0, 5.0, 4.0, 1.0],
            &[&[], &[], &[0, 1], &[]],
            &Critical {
                total: 9.0,
                chain: vec![1, 2],
                slack: vec![2.0, 0.0, 0.0, 8.0],
                gain: vec![0.0, 2.0, 4.0, 0.0],
            },
        );
    }

    /// By hand: root (2) → left (6) or right (6) → top (1). Two chains of 9: shortening one leg gains nothing.
    #[test]
    fn of_two_equal_chains_neither_leg_gains() {
        check(
            &[2.0, 6.0, 6.0, 1.0],
            &[&[], &[0], &[0], &[1, 2]],
            &Critical {
                total: 9.0,
                chain: vec![0, 2, 3],
                slack: vec![0.0; 4],
                gain: vec![2.0, 0.0, 0.0, 1.0],
            },
        );
    }

    /// What was there took no time: it is not on the chain, but what it stands between is.
    #[test]
    fn what_took_no_time_is_no_step() {
        check(
            &[2.0, 0.0, 3.0],
            &[&[], &[0], &[1]],
            &Critical { total: 5.0, chain: vec![0, 2], slack: vec![0.0; 3], gain: vec![2.0, 0.0, 3.0] },
        );
    }

    #[test]
    fn nothing_and_circles_end_too() {
        check(&[], &[], &Critical::default());
        let circle = critical(&[1.0, 1.0, 2.0], &[vec![1], vec![0], vec![]]);
        assert_eq!((circle.total, circle.chain), (2.0, vec![2]));
    }

    /// Each of 5,000 in a row: the gains are found one by one, and that must not take a minute.
    #[test]
    fn a_long_chain_is_no_matter() {
        let inputs: Vec<Vec<usize>> =
            (0..2000_usize).map(|it| it.checked_sub(1).into_iter().collect()).collect();
        let res = critical(&vec![1.0; 2000], &inputs);
        assert_eq!((res.total, res.chain.len(), res.gain[77]), (2000.0, 2000, 1.0));
    }
}
