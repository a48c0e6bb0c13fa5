# 两层神经网络，手写数字作业。每一列是一个样本 (特征, 样本数)
import numpy as np

from rowcol.bridge import port


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def qianxiang(canshu, X):
    """前向传播"""
    Z1 = np.dot(canshu["quanzhong1"], X) + canshu["pianzhi1"]      # (隐藏, 样本)
    A1 = sigmoid(Z1)
    Z2 = np.dot(canshu["quanzhong2"], A1) + canshu["pianzhi2"]     # (输出, 样本)
    A2 = sigmoid(Z2)
    huancun = {"Z1": Z1, "A1": A1, "Z2": Z2, "A2": A2}
    return A2, huancun


def sunshi(A2, Y):
    """交叉熵，对样本取平均"""
    yangben = Y.shape[1]
    return -np.sum(Y * np.log(A2) + (1 - Y) * np.log(1 - A2)) / yangben


def fanxiang(canshu, huancun, X, Y):
    """反向传播"""
    yangben = X.shape[1]
    A1, A2 = huancun["A1"], huancun["A2"]

    dZ2 = A2 - Y
    dW2 = np.dot(dZ2, A1.T) / yangben
    db2 = np.sum(dZ2, axis=1, keepdims=True) / yangben

    dA1 = np.dot(canshu["quanzhong2"].T, dZ2)                      # 误差传回隐藏层
    dZ1 = dA1 * A1 * (1 - A1)                                      # sigmoid 的导数
    dW1 = np.dot(dZ1, X.T) / yangben
    db1 = np.sum(dZ1, axis=1, keepdims=True) / yangben

    return {"quanzhong1": dW1, "pianzhi1": db1, "quanzhong2": dW2, "pianzhi2": db2}


def gengxin(canshu, tidu, xuexilv=0.5):
    for ming in canshu:
        canshu[ming] = canshu[ming] - xuexilv * tidu[ming]
    return canshu


def xunlian(canshu, X, Y, cishu=1000):
    for ci in range(cishu):
        A2, huancun = qianxiang(canshu, X)
        canshu = gengxin(canshu, fanxiang(canshu, huancun, X, Y))
        if ci % 100 == 0:
            print(ci, sunshi(A2, Y))
    return canshu


@port("dense", """
    quanzhong1: W1  hidden1 input
    pianzhi1:   b1  hidden1 1
    quanzhong2: W2  output hidden1
    pianzhi2:   b2  output 1
    X: x  input batch
    Y: y  output batch
""", objective="logistic", activation="sigmoid", reduction="mean over batch")
def zuoye(X, Y, **canshu):
    A2, huancun = qianxiang(canshu, X)
    return sunshi(A2, Y), fanxiang(canshu, huancun, X, Y)
